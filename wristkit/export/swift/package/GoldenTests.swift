// Raw samples through the package against what Python made of them: `swift test`, or Product > Test in Xcode.
import Foundation
import XCTest

@testable import WristDetector

final class GoldenTests: XCTestCase {
    struct Sample {
        let stream: Int
        let timeS: Double
        let values: [Float]
    }

    func lines(_ name: String) throws -> [[String]] {
        let url = try XCTUnwrap(Bundle.module.url(forResource: "golden/\(name)", withExtension: "csv"))
        let text = try String(contentsOf: url, encoding: .utf8)
        return text.split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
    }

    func samples() throws -> [Sample] {
        try lines("samples").map { words in
            let stream = try XCTUnwrap(WristDetector.streams.firstIndex(of: words[0]))
            let numbers = try words.dropFirst().map { try XCTUnwrap(Double($0)) }
            return Sample(stream: stream, timeS: numbers[0], values: numbers.dropFirst().map(Float.init))
        }
    }

    func events(_ detector: WristDetector) throws -> [Event] {
        detector.reset(wrist: @WRIST@, crown: @CROWN@, soundRateHz: @SOUND_RATE@)
        var found: [Event] = []
        for sample in try samples() {
            found += try detector.push(sample.stream, timeS: sample.timeS, values: sample.values)
        }
        return (found + detector.flush()).filter(\.isFinal)
    }

    func testEventsAreThoseOfPython() throws {
        let wanted = try lines("events")
        let found = try events(WristDetector())
        XCTAssertEqual(found.count, wanted.count)
        for (event, words) in zip(found, wanted) {
            XCTAssertEqual(event.startS, try XCTUnwrap(Double(words[0])), accuracy: 1e-9)
            XCTAssertEqual(event.stopS, try XCTUnwrap(Double(words[1])), accuracy: 1e-9)
            XCTAssertEqual(event.label, words[2])
            XCTAssertEqual(event.score, try XCTUnwrap(Double(words[3])), accuracy: 1e-5)
            XCTAssertEqual(event.decidedS, try XCTUnwrap(Double(words[4])), accuracy: 1e-9)
        }
    }

    /// Conditioned windows, newest last, as the net is given them: what a Core ML package gets.
    final class Keeper: WindowScorer {
        var windows: [[Float]] = []
        func probabilities(
            stage: Int, window: UnsafeBufferPointer<Float>, into: UnsafeMutableBufferPointer<Float>
        ) {
            if stage == 0 { windows.append(Array(window)) }
            for place in into.indices { into[place] = 1 / Float(into.count) }
        }
    }

    func testWindowsAreThoseOfPython() throws {
        let keeper = Keeper()
        _ = try events(WristDetector(scorer: keeper))
        let wanted = try lines("windows")
        XCTAssertGreaterThanOrEqual(keeper.windows.count, wanted.count)
        for (window, words) in zip(keeper.windows, wanted) {
            XCTAssertEqual(window.count, words.count)
            for (value, word) in zip(window, words) {
                XCTAssertEqual(value, try XCTUnwrap(Float(word)), accuracy: 1e-5)
            }
        }
    }

    func testAWrongSampleIsRefusedByName() throws {
        let detector = WristDetector()
        detector.reset(wrist: @WRIST@, crown: @CROWN@, soundRateHz: @SOUND_RATE@)
        let values = [Float](repeating: .nan, count: WristDetector.widths[0])
        XCTAssertThrowsError(try detector.push(0, timeS: 0, values: values)) { fault in
            XCTAssertEqual((fault as? RefusedSample)?.reason, "not finite")
        }
    }
}
