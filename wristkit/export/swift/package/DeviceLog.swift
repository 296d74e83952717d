// The log of a session in the format that wristkit.export.device_log documents: one JSON object a line.
import Foundation

/// Writes what the detector was given and what it said, so that `wristkit.replay` can tell whether both agree.
///
/// Not thread-safe: the thread or actor that owns the detector owns it.
public final class DeviceLog {
    private let file: FileHandle
    private let begun = ProcessInfo.processInfo.systemUptime
    private var counts: [String: Int] = [:]

    /// Begin a log; `runtime` is "C++" or "Core ML", and the hash is `program_sha256` of the bundle's report.json.
    public init(
        url: URL, runtime: String, programSHA256: String, device: String, system: String, wrist: String?, crown: String?
    ) throws {
        guard FileManager.default.createFile(atPath: url.path, contents: nil) else {
            throw CocoaError(.fileWriteUnknown)
        }
        file = try FileHandle(forWritingTo: url)
        try write([
            "kind": "header", "format": "wristkit device log", "version": 1, "runtime": runtime, "device": device,
            "system": system, "wristkit_version": "@VERSION@", "spec_sha256": "@SPEC_SHA256@",
            "program_sha256": programSHA256, "wrist": wrist ?? NSNull(), "crown": crown ?? NSNull(),
        ])
    }

    /// Write samples that were pushed: stamps, and values row by row.
    public func samples(_ stream: String, timeS: [Double], values: [[Float]]) throws {
        counts[stream, default: 0] += timeS.count
        try write([
            "kind": "samples", "stream": stream, "received_s": receivedS, "time_s": timeS,
            "values": values.map { $0.map(Double.init) },
        ])
    }

    /// Write a window's probabilities, and what the net took.
    public func score(stage: String, timeS: Double, centreS: Double, probabilities: [Float], tookS: Double) throws {
        try write([
            "kind": "score", "stage": stage, "time_s": timeS, "centre_s": centreS, "took_s": tookS,
            "probabilities": probabilities.map(Double.init),
        ])
    }

    /// Write an event when it is decided, and when it is over.
    public func event(_ event: Event) throws {
        try write([
            "kind": "event", "start_s": event.startS, "stop_s": event.stopS, "label": event.label,
            "score": event.score, "decided_s": event.decidedS, "final": event.isFinal,
        ])
    }

    /// Count what was given and dropped, and close: a log without it was cut.
    public func end(dropped: [String: Int]) throws {
        try write(["kind": "end", "samples": counts, "dropped": dropped])
        try file.close()
    }

    private var receivedS: Double { ProcessInfo.processInfo.systemUptime - begun }

    private func write(_ record: [String: Any]) throws {
        var line = try JSONSerialization.data(withJSONObject: record, options: [.sortedKeys])
        line.append(0x0A)
        try file.write(contentsOf: line)
    }
}
