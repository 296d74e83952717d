// The microphone as the stream "audio": one channel of 16 kHz, full scale 1, stamped by the count of its samples.
#if canImport(AVFAudio) && !os(macOS)
import AVFAudio
import WristDetector

/// Switched on by who asks the detector `needs(audio)`. `NSMicrophoneUsageDescription` must stand in Info.plist.
public final class Microphone {
    public static let rateHz = 16_000.0
    private let engine = AVAudioEngine()

    public init() {}

    /// Give blocks of samples with the time since the start of the system of the first of each.
    public func start(give: @escaping (_ uptimeS: Double, _ samples: [Float]) -> Void) throws {
        try AVAudioSession.sharedInstance().setCategory(.record, mode: .measurement)
        try AVAudioSession.sharedInstance().setActive(true)
        let input = engine.inputNode
        let format = input.outputFormat(forBus: 0)
        guard let wanted = AVAudioFormat(standardFormatWithSampleRate: Microphone.rateHz, channels: 1),
            let converter = AVAudioConverter(from: format, to: wanted)
        else {
            throw RefusedSample(stream: "audio", timeS: 0, reason: "no conversion from \(format)")
        }
        input.installTap(onBus: 0, bufferSize: 1024, format: format) { buffer, when in
            let room = AVAudioFrameCount(Double(buffer.frameLength) * Microphone.rateHz / format.sampleRate) + 64
            guard let made = AVAudioPCMBuffer(pcmFormat: wanted, frameCapacity: room) else { return }
            var isGiven = false
            converter.convert(to: made, error: nil) { _, status in
                status.pointee = isGiven ? .noDataNow : .haveData
                isGiven = true
                return buffer
            }
            guard let channel = made.floatChannelData?[0] else { return }
            let samples = Array(UnsafeBufferPointer(start: channel, count: Int(made.frameLength)))
            give(AVAudioTime.seconds(forHostTime: when.hostTime), samples)
        }
        try engine.start()
    }

    /// Switch it off.
    public func stop() {
        engine.inputNode.removeTap(onBus: 0)
        engine.stop()
    }
}
#endif
