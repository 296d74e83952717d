// Core Motion as the streams that the detector takes: g and rad/s in the device's axes, as Core Motion gives them.
#if canImport(CoreMotion) && os(watchOS)
import CoreMotion
import HealthKit
import WristDetector

/// Samples of one stream as they came together.
public struct Packet: Sendable {
    public let stream: Int
    public let timeS: [Double]
    public let values: [[Float]]
}

/// Gives packets of motion: 800 Hz acceleration and 200 Hz device motion in batches of a second, which need a running
/// HKWorkoutSession, or device motion sample by sample where batches are not supported.
///
/// `NSMotionUsageDescription` must stand in Info.plist. There is one manager an app.
public actor MotionSensors {
    private let batched = CMBatchedSensorManager()
    private let single = CMMotionManager()
    private var startS: Double?

    public init() {}

    /// Seconds of the session of a stamp that counts from the start of the system.
    public func sessionS(_ uptimeS: Double) -> Double {
        if startS == nil { startS = uptimeS }
        return uptimeS - (startS ?? uptimeS)
    }

    /// Give packets until the task is cancelled.
    public func run(rateHz: Double, give: @Sendable @escaping ([Packet]) async -> Void) async throws {
        if CMBatchedSensorManager.isAccelerometerSupported && CMBatchedSensorManager.isDeviceMotionSupported {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.accelerometer(give: give) }
                group.addTask { try await self.deviceMotion(give: give) }
                try await group.waitForAll()
            }
        } else {
            try await self.singly(rateHz: rateHz, give: give)
        }
    }

    private func accelerometer(give: ([Packet]) async -> Void) async throws {
        guard let stream = WristDetector.streams.firstIndex(of: "accel") else { return }
        for try await batch in batched.accelerometerUpdates() {
            let values = batch.map { [Float($0.acceleration.x), Float($0.acceleration.y), Float($0.acceleration.z)] }
            await give([Packet(stream: stream, timeS: batch.map { sessionS($0.timestamp) }, values: values)])
        }
    }

    private func deviceMotion(give: ([Packet]) async -> Void) async throws {
        for try await batch in batched.deviceMotionUpdates() {
            await give(packets(batch, leavingOut: ["accel"]))
        }
    }

    private func singly(rateHz: Double, give: @escaping ([Packet]) async -> Void) async throws {
        single.deviceMotionUpdateInterval = 1 / rateHz
        single.startDeviceMotionUpdates()
        defer { single.stopDeviceMotionUpdates() }
        var newest = -Double.infinity
        while !Task.isCancelled {
            if let motion = single.deviceMotion, motion.timestamp > newest {
                newest = motion.timestamp
                await give(packets([motion], leavingOut: []))
            }
            try await Task.sleep(for: .seconds(0.5 / rateHz))
        }
    }

    private func packets(_ batch: [CMDeviceMotion], leavingOut: Set<String>) -> [Packet] {
        let timeS = batch.map { sessionS($0.timestamp) }
        return WristDetector.streams.enumerated().compactMap { place, name in
            guard !leavingOut.contains(name) else { return nil }
            let rows = batch.compactMap { MotionSensors.values(name, $0) }
            return rows.count == batch.count ? Packet(stream: place, timeS: timeS, values: rows) : nil
        }
    }

    /// Return what a sample of device motion says under the name of a stream; nil where it is not of motion.
    static func values(_ stream: String, _ motion: CMDeviceMotion) -> [Float]? {
        let (user, gravity, turn) = (motion.userAcceleration, motion.gravity, motion.rotationRate)
        switch stream {
        case "accel":
            return [Float(user.x + gravity.x), Float(user.y + gravity.y), Float(user.z + gravity.z)]
        case "user_accel":
            return [Float(user.x), Float(user.y), Float(user.z)]
        case "gravity":
            return [Float(gravity.x), Float(gravity.y), Float(gravity.z)]
        case "gyro":
            return [Float(turn.x), Float(turn.y), Float(turn.z)]
        case "attitude":
            let one = motion.attitude.quaternion
            return [Float(one.w), Float(one.x), Float(one.y), Float(one.z)]
        default:
            return nil
        }
    }
}
#endif
