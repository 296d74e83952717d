// A logger for the watch that writes what wristkit.load reads: wristkit.json, clock.csv, device_motion.csv and, where the
// watch delivers batches, accelerometer.csv. core_motion.py beside it describes these, and what else may lie with them.
// Not compiled here: this project is tested on Linux. Needs watchOS 10, the capability HealthKit, the background mode
// "Workout processing", and NSMotionUsageDescription and NSHealthUpdateUsageDescription in Info.plist. Ask HealthKit
// for the right to share workouts before start(). A folder holds one recording: give each its own.
import CoreMotion
import Foundation
import HealthKit

actor MotionLog {
    private let folder: URL
    private let sensors = CMBatchedSensorManager(), motion = CMMotionManager(), health = HKHealthStore()
    private var session: HKWorkoutSession?
    private var tasks: [Task<Void, Error>] = []
    private var files: [String: FileHandle] = [:], batches: [String: Int] = [:]

    init(folder: URL) { self.folder = folder }

    func start(wrist: String, crown: String, device: String, system: String) async throws {
        let batched = CMBatchedSensorManager.isAccelerometerSupported && CMBatchedSensorManager.isDeviceMotionSupported
        let rates: [String: Double] = batched ? ["accelerometer": 800, "device_motion": 200] : ["device_motion": 100]
        let stated: [String: Any] = [
            "format": "core_motion", "version": 1, "device": device, "system": system, "wrist": wrist, "crown": crown,
            "zone": TimeZone.current.identifier, "rates_hz": rates]
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try JSONSerialization.data(withJSONObject: stated).write(to: folder.appending(path: "wristkit.json"))
        let workout = HKWorkoutConfiguration()
        workout.activityType = .other
        session = try HKWorkoutSession(healthStore: health, configuration: workout)
        session?.startActivity(with: Date())
        while session?.state != .running { try await Task.sleep(for: .milliseconds(100)) }  // batches need it to run
        tasks.append(Task { while true { try pair(); try await Task.sleep(for: .seconds(60)) } })
        if batched {
            tasks.append(Task { for try await batch in sensors.accelerometerUpdates() { try write(batch) } })
            tasks.append(Task { for try await batch in sensors.deviceMotionUpdates() { try write(batch) } })
        } else {
            motion.deviceMotionUpdateInterval = 0.01
            let (samples, sink) = AsyncStream.makeStream(of: CMDeviceMotion.self)
            let queue = OperationQueue()
            queue.maxConcurrentOperationCount = 1  // one after the other, and the stream keeps their order
            motion.startDeviceMotionUpdates(to: queue) { one, _ in if let one { sink.yield(one) } }
            tasks.append(Task { for await one in samples { try write([one]) } })
        }
    }

    func stop() throws {
        try pair()
        tasks.forEach { $0.cancel() }
        sensors.stopAccelerometerUpdates()
        sensors.stopDeviceMotionUpdates()
        motion.stopDeviceMotionUpdates()
        session?.end()
    }

    private func pair() throws {
        let row = [ProcessInfo.processInfo.systemUptime, Date().timeIntervalSince1970]
        try append([row], to: "clock", header: "timestamp,unix")
    }

    private func write(_ samples: [CMAccelerometerData]) throws {
        let batch = Double(next("accelerometer"))
        let rows = samples.map { [$0.timestamp, batch, $0.acceleration.x, $0.acceleration.y, $0.acceleration.z] }
        try append(rows, to: "accelerometer", header: "timestamp,batch,accelerationX,accelerationY,accelerationZ")
    }

    private func write(_ samples: [CMDeviceMotion]) throws {
        let batch = Double(next("device_motion"))
        let rows = samples.map { one in
            let q = one.attitude.quaternion, r = one.rotationRate, g = one.gravity, u = one.userAcceleration
            return [one.timestamp, batch, q.w, q.x, q.y, q.z, r.x, r.y, r.z, g.x, g.y, g.z, u.x, u.y, u.z]
        }
        try append(rows, to: "device_motion", header: """
            timestamp,batch,quaternionW,quaternionX,quaternionY,quaternionZ,rotationRateX,rotationRateY,rotationRateZ,\
            gravityX,gravityY,gravityZ,userAccelerationX,userAccelerationY,userAccelerationZ
            """)
    }

    private func next(_ source: String) -> Int {
        defer { batches[source, default: 0] += 1 }
        return batches[source, default: 0]
    }

    private func append(_ rows: [[Double]], to name: String, header: String) throws {
        if files[name] == nil {
            let file = folder.appending(path: name + ".csv")
            try Data((header + "\n").utf8).write(to: file, options: .withoutOverwriting)
            files[name] = try FileHandle(forWritingTo: file)
            try files[name]?.seekToEnd()
        }
        let text = rows.map { $0.map { "\($0)" }.joined(separator: ",") + "\n" }.joined()
        try files[name]?.write(contentsOf: Data(text.utf8))
    }
}
