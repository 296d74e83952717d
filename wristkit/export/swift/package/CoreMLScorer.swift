// The net by Core ML: conditioning, decoder and policy stay the core's, windows go through the package of this bundle.
#if canImport(CoreML)
import CoreML

/// What a model lacks to be the one that was exported with this package.
public struct WrongModel: Error, CustomStringConvertible {
    public let description: String
}

/// Runs one Core ML package a stage; one array is used again for every window.
public final class CoreMLScorer: WindowScorer {
    public static let input = "@INPUT@"
    public static let output = "@OUTPUT@"
    public static let shapes: [[Int]] = [@SHAPES@]
    public static let classes: [[String]] = [@CLASSES@]

    private let models: [MLModel]
    private let windows: [MLMultiArray]

    /// Take the models of all stages, the gate's first, and check their inputs and outputs by name, shape and type.
    public init(models: [MLModel]) throws {
        guard models.count == CoreMLScorer.shapes.count else {
            throw WrongModel(description: "\(models.count) models, expected \(CoreMLScorer.shapes.count)")
        }
        for (stage, model) in models.enumerated() {
            let description = model.modelDescription
            let constraint = description.inputDescriptionsByName[CoreMLScorer.input]?.multiArrayConstraint
            guard let constraint, constraint.dataType == .float32,
                constraint.shape.map(\.intValue) == CoreMLScorer.shapes[stage]
            else {
                throw WrongModel(description: "stage \(stage) takes no float32 \(CoreMLScorer.shapes[stage]) as input")
            }
            guard description.outputDescriptionsByName[CoreMLScorer.output] != nil else {
                throw WrongModel(description: "stage \(stage) has no output \(CoreMLScorer.output)")
            }
        }
        self.models = models
        windows = try CoreMLScorer.shapes.map { shape in
            try MLMultiArray(shape: shape.map { NSNumber(value: $0) }, dataType: .float32)
        }
    }

    public func probabilities(
        stage: Int, window: UnsafeBufferPointer<Float>, into: UnsafeMutableBufferPointer<Float>
    ) {
        let array = windows[stage]
        array.withUnsafeMutableBufferPointer(ofType: Float.self) { held, _ in
            _ = held.update(fromContentsOf: window)
        }
        guard let given = try? MLDictionaryFeatureProvider(dictionary: [CoreMLScorer.input: array]),
            let said = try? models[stage].prediction(from: given),
            let byClass = said.featureValue(for: CoreMLScorer.output)?.dictionaryValue
        else {
            return  // the core sees that nothing was scored, and refuses the sample by name
        }
        for (place, name) in CoreMLScorer.classes[stage].enumerated() {
            into[place] = byClass[name]?.floatValue ?? .nan
        }
    }
}
#endif
