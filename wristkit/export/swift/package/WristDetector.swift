// The detector: raw samples in, events out. Conditioning, net, decoder and policy are the C++ core's, which is tested
// against Python; this file only carries samples and events across.
import DetectorCore

/// Something that was detected; `isFinal` says whether it is over.
public struct Event: Equatable, Sendable {
    public let startS: Double
    public let stopS: Double
    public let label: String
    public let score: Double
    public let decidedS: Double
    public let isFinal: Bool
}

/// How a watch is worn; what the raw values mean is the core's.
public enum Side: Int32, Sendable {
    case unknown = 0
    case left = 1
    case right = 2
}

/// A sample that the detector did not take, and why.
public struct RefusedSample: Error, CustomStringConvertible {
    public let stream: String
    public let timeS: Double
    public let reason: String
    public var description: String { "\(stream) at \(timeS) s: \(reason)" }
}

/// Gives the probabilities of a conditioned window (channels, samples) of a stage; stage 1 of a cascade confirms.
public protocol WindowScorer: AnyObject {
    func probabilities(stage: Int, window: UnsafeBufferPointer<Float>, into: UnsafeMutableBufferPointer<Float>)
}

/// Streams in canonical units (g, rad/s, full scale of sound) and seconds from the start of the session.
///
/// Not thread-safe: one thread or actor owns it.
public final class WristDetector {
    public static let streams: [String] = (0..<@NAME@_streams()).map { String(cString: @NAME@_stream_name($0)) }
    public static let widths: [Int] = (0..<@NAME@_streams()).map { Int(@NAME@_stream_width($0)) }

    private let memory: UnsafeMutableRawPointer
    private let core: UnsafeMutableRawPointer
    private let scorer: ScorerBox?
    private var events: [Event] = []

    /// Make a detector whose net is the core's, or the scorer's where one is given.
    public init(scorer: WindowScorer? = nil) {
        let box = scorer.map(ScorerBox.init)
        let bytes = box == nil ? @NAME@_state_bytes() : @NAME@_elsewhere_bytes()
        memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: @NAME@_state_alignment())
        let made: UnsafeMutableRawPointer?
        if let box {
            let context = Unmanaged.passUnretained(box).toOpaque()
            made = @NAME@_make_elsewhere(memory, bytes, scoreWindow, context)
        } else {
            made = @NAME@_make(memory, bytes)
        }
        guard let made else { preconditionFailure("the core did not fit into the memory that it asked for") }
        core = made
        self.scorer = box
    }

    deinit {
        memory.deallocate()
    }

    /// Forget everything pushed. Sides matter in the wrist frame, the rate to a detector that hears.
    public func reset(wrist: Side = .unknown, crown: Side = .unknown, soundRateHz: Int = 16_000) {
        @NAME@_reset(core, wrist.rawValue, crown.rawValue, Int32(soundRateHz))
    }

    /// Take one sample of a stream and return what it decided or ended.
    public func push(_ stream: Int, timeS: Double, values: [Float]) throws -> [Event] {
        guard WristDetector.widths.indices.contains(stream), values.count == WristDetector.widths[stream] else {
            throw RefusedSample(stream: "stream \(stream)", timeS: timeS, reason: "\(values.count) values")
        }
        events.removeAll(keepingCapacity: true)
        let status = values.withUnsafeBufferPointer { given in
            @NAME@_push(core, Int32(stream), timeS, given.baseAddress, takeEvent, Unmanaged.passUnretained(self).toOpaque())
        }
        if status != 0 {
            let reason = String(cString: @NAME@_status_name(status))
            throw RefusedSample(stream: WristDetector.streams[stream], timeS: timeS, reason: reason)
        }
        return events
    }

    /// Return what is still open at the end, and start anew.
    public func flush() -> [Event] {
        events.removeAll(keepingCapacity: true)
        @NAME@_flush(core, takeEvent, Unmanaged.passUnretained(self).toOpaque())
        return events
    }

    /// Whether a stream must be on now, for who switches the microphone.
    public func needs(_ stream: Int) -> Bool {
        @NAME@_needs(core, Int32(stream)) != 0
    }

    fileprivate func take(_ event: @NAME@_event) {
        events.append(
            Event(
                startS: event.start_s, stopS: event.stop_s, label: String(cString: @NAME@_class_name(event.label)),
                score: event.score, decidedS: event.decided_s, isFinal: event.is_final != 0))
    }
}

private final class ScorerBox {
    let scorer: WindowScorer
    init(_ scorer: WindowScorer) { self.scorer = scorer }
}

private func takeEvent(_ context: UnsafeMutableRawPointer?, _ event: UnsafePointer<@NAME@_event>?) {
    guard let context, let event else { return }
    Unmanaged<WristDetector>.fromOpaque(context).takeUnretainedValue().take(event.pointee)
}

private func scoreWindow(
    _ context: UnsafeMutableRawPointer?, _ stage: Int32, _ window: UnsafePointer<Float>?,
    _ probabilities: UnsafeMutablePointer<Float>?
) {
    guard let context, let window, let probabilities else { return }
    let box = Unmanaged<ScorerBox>.fromOpaque(context).takeUnretainedValue()
    box.scorer.probabilities(
        stage: Int(stage),
        window: UnsafeBufferPointer(start: window, count: Int(@NAME@_window_values(stage))),
        into: UnsafeMutableBufferPointer(start: probabilities, count: Int(@NAME@_classes(stage))))
}
