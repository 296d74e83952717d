// ---- The detector: a cascade ----

/// Streams in, events out. `push` takes one sample; any number of updates may come of it, each given to `sink`.
///
/// Samples come in the order of time over all streams, at equal times those of the gate first: `Feeder` brings them
/// into it. The confirmer starts anew at each wake and sees what the policy lets it see.
template <class GateNet, class ConfirmNet>
class DetectorWith {
 public:
  static constexpr int kStreams = Policy::kStreams;
  static constexpr int kMostValues = Policy::kMostValues;
  static constexpr const int (&kStreamWidths)[kStreams] = Policy::kStreamWidths;
  static constexpr double kMaxWaitS = Policy::kMaxWaitS;

  /// Forget everything pushed.
  void reset(const Worn& worn = Worn{}) noexcept {
    worn_ = worn;
    gate_.reset(worn_);
    confirm_.reset(worn_);
    gate_rater_.reset();
    confirm_rater_.reset();
    state_ = PolicyState{};
    time_s_ = -kInfinity;
    wakes_ = on_ = 0;
    must_catch_up_ = false;
    for (double& newest_s : newest_s_) {
      newest_s = -kInfinity;
    }
    each_pre_roll([](auto& one) { one.reset(); });
  }

  DetectorWith() noexcept { reset(); }

  /// Take a sample of a stream (a place in `kStreamNames`), in canonical units, later than what was pushed of it before.
  template <class Sink>
  Status push(int stream, double time_s, const float* values, Sink&& sink) noexcept {
    return push(stream, time_s, values, sink, [](int, double, double, const float*) {});
  }

  /// The same, with on_score(stage, centre_s, score_s, probabilities) called for each window; stage 1 confirms.
  template <class Sink, class OnScore>
  Status push(int stream, double time_s, const float* values, Sink&& sink, OnScore&& on_score) noexcept {
    if (stream < 0 || stream >= kStreams) {
      return Status::unknown_stream;
    }
    if (!(time_s > newest_s_[stream])) {
      return std::isfinite(time_s) ? Status::not_increasing : Status::not_finite;
    }
    const int place = Policy::kConfirmPlaces[stream];
    hold(place, time_s, values);
    Status status = Status::taken;
    if (Policy::kGatePlaces[stream] >= 0) {
      status = gate_.push(Policy::kGatePlaces[stream], time_s, values,
                          [&](double centre_s, double score_s, const auto& probabilities) {
                            on_score(0, centre_s, score_s, probabilities);
                            see(gate_rater_, centre_s, score_s, probabilities, sink);
                          });
    }
    const bool was_held = must_catch_up_ && is_held(place);
    if (must_catch_up_) {
      must_catch_up_ = false;
      catch_up(sink, on_score);
    }
    if (place >= 0 && !was_held && on_ != 0 && time_s > after_s(stream)) {
      const Status heard = feed(place, time_s, values, sink, on_score);
      status = status == Status::taken ? heard : status;
    }
    newest_s_[stream] = status == Status::taken ? time_s : newest_s_[stream];
    return status;
  }

  /// Give what is still open at the end, and start anew.
  template <class Sink>
  void flush(Sink&& sink) noexcept {
    follow(Seen{Kind::gate_gap}, sink);
    reset(worn_);
  }

  /// Whether a stream must be on now: whoever sends the samples switches the others off.
  bool needs(int stream) const noexcept { return state_.listens() || !Policy::kIsWoken[stream]; }

  /// Let somebody else score windows: of a detector with `Elsewhere` for its nets.
  void connect(ScoreWindow score, void* context) noexcept {
    gate_.net().connect(score, context, 0);
    confirm_.net().connect(score, context, 1);
  }

  const PolicyState& state() const noexcept { return state_; }
  std::uint64_t wakes() const noexcept { return wakes_; }
  std::uint64_t late_samples() const noexcept { return gate_.late_samples() + confirm_.late_samples(); }
  std::uint64_t overrun_samples() const noexcept { return gate_.overrun_samples() + confirm_.overrun_samples(); }

 private:
  template <class Function>
  void each_pre_roll(Function&& function) noexcept {
    std::apply([&](auto&... one) { (function(one), ...); }, pre_rolls_);
  }

  void hold(int place, double time_s, const float* values) noexcept {
    int at = 0;
    each_pre_roll([&](auto& one) {
      if (Policy::kPreRollPlaces[at++] == place) {
        one.push(time_s, values);
      }
    });
  }

  static bool is_held(int place) noexcept {
    for (int at = 0; at < Policy::kPreRollStreams; ++at) {
      if (Policy::kPreRollPlaces[at] == place) {
        return true;
      }
    }
    return false;
  }

  /// Let the confirmer see what was held of before the wake, in the order of time.
  template <class Sink, class OnScore>
  void catch_up(Sink&& sink, OnScore&& on_score) noexcept {
    int fed[Policy::kPreRollStreams + 1] = {};
    const std::uint64_t since = on_;
    bool more = true;
    while (more && on_ == since) {
      int earliest = -1;
      double earliest_s = kInfinity;
      int at = 0;
      each_pre_roll([&](auto& one) {
        while (fed[at] < one.count() && one.at(fed[at]).time_s <= wake_s_ - Policy::kPreRollS) {
          ++fed[at];
        }
        if (fed[at] < one.count() && one.at(fed[at]).time_s < earliest_s) {
          earliest = at;
          earliest_s = one.at(fed[at]).time_s;
        }
        ++at;
      });
      at = 0;
      each_pre_roll([&](auto& one) {
        if (at++ == earliest) {
          const auto& sample = one.at(fed[earliest]++);
          feed(Policy::kPreRollPlaces[earliest], sample.time_s, sample.values, sink, on_score);
        }
      });
      more = earliest >= 0;
    }
  }

  double after_s(int stream) const noexcept {
    return Policy::kIsWoken[stream] ? wake_s_ + Policy::kWarmUpS : wake_s_ - Policy::kPreRollS;
  }

  template <class Sink, class OnScore>
  Status feed(int place, double time_s, const float* values, Sink&& sink, OnScore&& on_score) noexcept {
    const std::uint64_t since = on_;
    return confirm_.push(place, time_s, values,
                         [&](double centre_s, double score_s, const auto& probabilities) {
                           if (on_ == since) {  // a row before this one may have switched it off
                             on_score(1, centre_s, score_s, probabilities);
                             see(confirm_rater_, centre_s, score_s, probabilities, sink);
                           }
                         });
  }

  template <class Rated, class Sink>
  void see(Rater<Rated>& rater, double centre_s, double score_s, const float* probabilities, Sink&& sink) noexcept {
    bool follows_gap = false;
    const Seen seen = rater.see(centre_s, probabilities, follows_gap);
    if (follows_gap) {
      follow(Seen{seen.kind == Kind::gate ? Kind::gate_gap : Kind::confirm_gap}, sink);
    }
    time_s_ = score_s > time_s_ ? score_s : time_s_;
    follow(seen, sink);
    const std::uint64_t on = state_.listens() ? wakes_ : 0;
    if (on != on_) {
      on_ = on;
      wake();
    }
  }

  /// Start the confirmer anew, where it was woken.
  void wake() noexcept {
    if (on_ != 0) {
      confirm_.reset(worn_);
      confirm_rater_.reset();
      wake_s_ = time_s_;
      must_catch_up_ = Policy::kPreRollStreams > 0;
    }
  }

  /// Take the machine along what is seen until its step stays, and tell what is decided and what is over.
  template <class Sink>
  void follow(const Seen& seen, Sink&& sink) noexcept {
    Step before = Step::idle;
    do {
      const PolicyState old = state_;
      before = old.step;
      state_ = Machine<Policy>::next(old, seen, time_s_);
      wakes_ += before != Step::confirming && state_.step == Step::confirming ? 1U : 0U;
      if (before != Step::active && state_.step == Step::active) {
        sink(EventUpdate{state_.event, false});
      }
      if (before == Step::active && state_.step != Step::active) {
        sink(EventUpdate{old.event, true});
      }
    } while (state_.step != before);
  }

  Stage<gate::Spec, GateNet> gate_;
  Stage<confirm::Spec, ConfirmNet> confirm_;
  Rater<GateRated> gate_rater_;
  Rater<ConfirmRated> confirm_rater_;
  PolicyState state_;
  Policy::PreRolls pre_rolls_;
  Worn worn_;
  double time_s_ = -kInfinity;
  double wake_s_ = -kInfinity;
  double newest_s_[kStreams] = {};
  std::uint64_t wakes_ = 0;
  std::uint64_t on_ = 0;  // the number of the wake that the confirmer is on since; 0 where it is off
  bool must_catch_up_ = false;
};

using Detector = DetectorWith<gate::Net, confirm::Net>;
using DetectorElsewhere = DetectorWith<Elsewhere<gate::Spec>, Elsewhere<confirm::Spec>>;
