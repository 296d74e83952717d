// ---- The detector ----

/// Streams in, events out. `push` takes one sample; any number of updates may come of it, each given to `sink`.
template <class AnyNet>
class DetectorWith {
 public:
  static constexpr int kStreams = Spec::kStreams;
  static constexpr int kMostValues = Spec::kMostValues;
  static constexpr const int (&kStreamWidths)[kStreams] = Spec::kStreamWidths;
  static constexpr double kMaxWaitS = Spec::kMaxWaitS;

  /// Forget everything pushed.
  void reset(const Worn& worn = Worn{}) noexcept {
    worn_ = worn;
    stage_.reset(worn_);
    decoder_.reset();
  }

  DetectorWith() noexcept { reset(); }

  /// Take a sample of a stream (a place in `kStreamNames`), in canonical units, later than what was pushed of it before.
  template <class Sink>
  Status push(int stream, double time_s, const float* values, Sink&& sink) noexcept {
    return push(stream, time_s, values, sink, [](int, double, double, const float*) {});
  }

  /// The same, with on_score(stage, centre_s, score_s, probabilities) called for each window.
  template <class Sink, class OnScore>
  Status push(int stream, double time_s, const float* values, Sink&& sink, OnScore&& on_score) noexcept {
    return stage_.push(stream, time_s, values,
                       [&](double centre_s, double score_s, const float(&probabilities)[Spec::kClasses]) {
                         on_score(0, centre_s, score_s, probabilities);
                         decoder_.push(centre_s, score_s, probabilities, sink);
                       });
  }

  /// Give what is still open at the end, and start anew.
  template <class Sink>
  void flush(Sink&& sink) noexcept {
    decoder_.flush(sink);
    reset(worn_);
  }

  /// Whether a stream must be on now.
  bool needs(int) const noexcept { return true; }

  /// Let somebody else score windows: of a detector with `Elsewhere` for a net.
  void connect(ScoreWindow score, void* context) noexcept { stage_.net().connect(score, context, 0); }

  std::uint64_t late_samples() const noexcept { return stage_.late_samples(); }
  std::uint64_t overrun_samples() const noexcept { return stage_.overrun_samples(); }

 private:
  Stage<Spec, AnyNet> stage_;
  Decoder<Spec> decoder_;
  Worn worn_;
};

using Detector = DetectorWith<Net>;
using DetectorElsewhere = DetectorWith<Elsewhere<Spec>>;
