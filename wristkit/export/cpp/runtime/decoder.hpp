// ---- From scores to events ----

/// What collects windows of each class at or above the low threshold into events.
template <class Spec>
class Decoder {
 public:
  void reset() noexcept {
    newest_s_ = -kInfinity;
    for (Run& run : runs_) {
      run = Run{};
    }
    forget();
  }

  /// Take the probabilities of the next window; a step of more than one hop between centres is a gap.
  template <class Sink>
  void push(double centre_s, double score_s, const float (&probabilities)[Spec::kClasses], Sink&& sink) noexcept {
    if (centre_s - newest_s_ > 1.5 * Spec::kHopS) {
      flush(sink);
    }
    newest_s_ = centre_s;
    double scores[Spec::kClasses];
    const double delay_s = smooth(probabilities, scores);
    for (int label = 0; label < Spec::kClasses; ++label) {
      const bool is_low = scores[label] < Spec::kLow;
      // The earliest window that could follow would come too late to be merged.
      if (label != Spec::kBackground && is_low && runs_[label].is_open &&
          centre_s + Spec::kHopS - runs_[label].last_s > Spec::kMergeS + kEpsilonS) {
        close(label, sink);
      }
    }
    bool done[Spec::kClasses] = {};
    for (int turn = 0; turn < Spec::kClasses; ++turn) {  // of several in one window the higher score goes first
      int best = -1;
      for (int label = 0; label < Spec::kClasses; ++label) {
        const bool lasts = label != Spec::kBackground && !done[label] && scores[label] >= Spec::kLow;
        best = lasts && (best < 0 || scores[label] > scores[best]) ? label : best;
      }
      if (best < 0) {
        break;
      }
      done[best] = true;
      extend(best, scores[best], centre_s, score_s, delay_s, sink);
    }
  }

  /// Give what is still open, and start anew.
  template <class Sink>
  void flush(Sink&& sink) noexcept {
    for (int oldest = first_open(); oldest >= 0; oldest = first_open()) {
      close(oldest, sink);
    }
    forget();
  }

 private:
  struct Run {
    bool is_open = false;
    bool is_blocked = false;
    bool is_decided = false;
    std::uint64_t opened = 0;
    double start_s = 0.0;
    double last_s = 0.0;
    double start_delay_s = 0.0;
    double last_delay_s = 0.0;
    double score = 0.0;
    double decided_s = 0.0;

    Event event(int label) const noexcept {
      return {start_s - start_delay_s, last_s - last_delay_s, label, score, decided_s};
    }
  };

  void forget() noexcept {
    count_ = 0;
    for (int label = 0; label < Spec::kClasses; ++label) {
      ended_s_[label] = -kInfinity;
    }
  }

  /// Average with the windows before in the stretch, newest first, and return by how much that delays.
  double smooth(const float (&probabilities)[Spec::kClasses], double (&scores)[Spec::kClasses]) noexcept {
    double(&newest)[Spec::kClasses] = recent_[count_ % Spec::kSmooth];
    for (int label = 0; label < Spec::kClasses; ++label) {
      scores[label] = newest[label] = static_cast<double>(probabilities[label]);
    }
    ++count_;
    const std::int64_t held = count_ < Spec::kSmooth ? count_ : Spec::kSmooth;
    for (std::int64_t back = 1; back < held; ++back) {
      for (int label = 0; label < Spec::kClasses; ++label) {
        scores[label] += recent_[(count_ - 1 - back) % Spec::kSmooth][label];
      }
    }
    for (double& score : scores) {
      score /= static_cast<double>(held);
    }
    return static_cast<double>(held - 1) / 2 * Spec::kHopS;
  }

  int first_open() const noexcept {
    int first = -1;
    for (int label = 0; label < Spec::kClasses; ++label) {
      if (runs_[label].is_open && (first < 0 || runs_[label].opened < runs_[first].opened)) {
        first = label;
      }
    }
    return first;
  }

  template <class Sink>
  void extend(int label, double score, double centre_s, double score_s, double delay_s, Sink&& sink) noexcept {
    Run& run = runs_[label];
    if (!run.is_open) {
      run = Run{};
      run.is_open = true;
      run.opened = ++opened_;
      run.is_blocked = centre_s - delay_s < ended_s_[label] + Spec::kRefractoryS - kEpsilonS;
      run.start_s = centre_s;
      run.start_delay_s = delay_s;
      run.score = score;
    }
    run.last_s = centre_s;
    run.last_delay_s = delay_s;
    run.score = score > run.score ? score : run.score;
    const bool is_long_enough = run.last_s - run.start_s >= Spec::kMinLengthS - kEpsilonS;
    if (run.is_blocked || run.is_decided || run.score < Spec::kHigh || !is_long_enough) {
      return;
    }
    run.is_blocked = is_taken(label, run.start_s - run.start_delay_s);
    if (!run.is_blocked) {
      run.is_decided = true;
      run.decided_s = score_s;
      sink(EventUpdate{run.event(label), false});
    }
  }

  /// Whether an event of another class lasts, or ended too shortly before.
  bool is_taken(int label, double start_s) const noexcept {
    for (int other = 0; other < Spec::kClasses && Spec::kRefractoryAnyS > 0.0; ++other) {
      const bool lasts = runs_[other].is_open && runs_[other].is_decided;
      const bool ended = start_s < ended_s_[other] + Spec::kRefractoryAnyS - kEpsilonS;
      if (other != label && (lasts || ended)) {
        return true;
      }
    }
    return false;
  }

  template <class Sink>
  void close(int label, Sink&& sink) noexcept {
    Run& run = runs_[label];
    run.is_open = false;
    if (run.is_decided) {
      const Event event = run.event(label);
      ended_s_[label] = event.stop_s;
      sink(EventUpdate{event, true});
    }
  }

  Run runs_[Spec::kClasses];
  double ended_s_[Spec::kClasses] = {};
  double recent_[Spec::kSmooth][Spec::kClasses] = {};
  double newest_s_ = -kInfinity;
  std::int64_t count_ = 0;
  std::uint64_t opened_ = 0;
};

