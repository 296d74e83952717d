// ---- The policy of a cascade: a gate wakes, a confirmer confirms ----

enum class Step : std::uint8_t { idle, armed, confirming, second_chance, active, cooling };
enum class Kind : std::uint8_t { gate, confirm, gate_gap, confirm_gap };

/// What is seen at a moment: a window's score, or that windows are missing before the next one.
struct Seen {
  Kind kind;
  double centre_s = kNaN;
  double score = 0.0;
  int label = 0;
};

/// All that the machine remembers; `since_s` is when it came to its step.
struct PolicyState {
  Step step = Step::idle;
  double since_s = -kInfinity;
  double until_s = -kInfinity;
  double gate_score = 0.0;
  double gate_peak = 0.0;
  int gate_label = 0;
  double gate_start_s = kNaN;
  double gate_last_s = kNaN;
  double gate_lasted_s = -kInfinity;
  double gate_sure_s = kNaN;
  bool has_heard = false;
  double peak = 0.0;
  double run_start_s = kNaN;
  bool is_by_gate = false;
  double lasted_s = -kInfinity;
  Event event;

  bool listens() const noexcept {
    return step == Step::confirming || step == Step::second_chance || (step == Step::active && !is_by_gate);
  }
};

/// The machine: `next` is a pure function that changes the step at most once.
template <class Policy>
struct Machine {
  static double fused(const PolicyState& state, const Seen& seen) noexcept {
    return (1 - Policy::kGateWeight) * seen.score + Policy::kGateWeight * state.gate_score;
  }

  static PolicyState next(PolicyState state, const Seen& seen, double time_s) noexcept {
    if (seen.kind == Kind::gate_gap) {
      return state.step == Step::idle ? state : idle_since(time_s);
    }
    if (seen.kind == Kind::confirm_gap) {
      state.run_start_s = kNaN;
      return state.step == Step::active && !state.is_by_gate ? cool(state, time_s, Policy::kCoolS) : state;
    }
    if (seen.kind == Kind::gate) {
      see_gate(state, seen, time_s);
    }
    switch (state.step) {
      case Step::idle:
        return idle(state, seen, time_s);
      case Step::armed:
        return armed(state, seen, time_s);
      case Step::confirming:
      case Step::second_chance:
        return listening(state, seen, time_s);
      case Step::active:
        return active(state, seen, time_s);
      case Step::cooling:
        break;
    }
    return time_s >= state.until_s ? idle_since(time_s) : state;
  }

 private:
  static PolicyState idle_since(double time_s) noexcept {
    PolicyState fresh;
    fresh.since_s = time_s;
    return fresh;
  }

  static void see_gate(PolicyState& state, const Seen& seen, double time_s) noexcept {
    state.gate_score = seen.score;
    const double sure_s = std::isfinite(state.gate_sure_s) ? state.gate_sure_s : seen.centre_s;
    state.gate_sure_s = seen.score >= Policy::kGateAlone ? sure_s : kNaN;
    if (seen.score < Policy::kGateLow) {
      return;
    }
    if (seen.score > state.gate_peak) {
      state.gate_peak = seen.score;
      state.gate_label = seen.label;
    }
    state.gate_last_s = seen.centre_s;
    state.gate_lasted_s = time_s;
  }

  static PolicyState cool(PolicyState state, double time_s, double seconds) noexcept {
    state.step = Step::cooling;
    state.since_s = time_s;
    state.until_s = time_s + seconds;
    return state;
  }

  static PolicyState idle(const PolicyState& state, const Seen& seen, double time_s) noexcept {
    if (seen.kind != Kind::gate || seen.score < Policy::kGateLow) {
      return state;
    }
    PolicyState fresh = idle_since(time_s);
    fresh.step = Step::armed;
    fresh.gate_start_s = seen.centre_s;
    see_gate(fresh, seen, time_s);
    return fresh;
  }

  static PolicyState armed(PolicyState state, const Seen& seen, double time_s) noexcept {
    if (seen.kind == Kind::gate && seen.score < Policy::kGateLow) {
      return idle_since(time_s);
    }
    const bool lasted = state.gate_last_s - state.gate_start_s >= Policy::kArmS - kEpsilonS;
    if (state.gate_peak >= Policy::kGateHigh && lasted) {
      state.step = Step::confirming;
      state.since_s = time_s;
    }
    return state;
  }

  static PolicyState listening(PolicyState state, const Seen& seen, double time_s) noexcept {
    const bool is_first = state.step == Step::confirming;
    const double limit_s = is_first ? Policy::kWarmUpS + Policy::kConfirmTimeoutS : Policy::kSecondChanceS;
    if (time_s > state.since_s + limit_s) {
      return out_of_time(state, time_s);
    }
    if (time_s - state.gate_lasted_s > Policy::kGateReleaseS) {
      return cool(state, time_s, Policy::kRejectedS);
    }
    if (state.gate_last_s - state.gate_sure_s >= Policy::kAloneS - kEpsilonS) {
      decide(state, state.gate_label, state.gate_peak, time_s);
      return state;
    }
    if (seen.kind != Kind::confirm) {
      return state;
    }
    const double score = fused(state, seen);
    const double start_s = std::isfinite(state.run_start_s) ? state.run_start_s : seen.centre_s;
    state.has_heard = true;
    state.peak = score > state.peak ? score : state.peak;
    state.run_start_s = score >= Policy::kConfirmLow ? start_s : kNaN;
    const double enough = is_first ? Policy::kConfirmHigh : Policy::kSecondChance;
    if (state.peak < enough || state.gate_score < Policy::kGateAgrees) {
      return state;
    }
    decide(state, seen.label, state.peak, time_s);
    if (!Policy::kSpanOfGate) {
      state.is_by_gate = false;
      state.event.start_s = start_s;
      state.event.stop_s = seen.centre_s;
    }
    return state;
  }

  /// Make it active, with an event as long as the gate's run.
  static void decide(PolicyState& state, int label, double score, double time_s) noexcept {
    state.step = Step::active;
    state.since_s = state.lasted_s = time_s;
    state.is_by_gate = true;
    state.event = Event{state.gate_start_s, state.gate_last_s, label, score, time_s};
  }

  static PolicyState out_of_time(PolicyState state, double time_s) noexcept {
    if (!std::isfinite(Policy::kAloneS) && !state.has_heard && state.gate_peak >= Policy::kGateAlone) {
      decide(state, state.gate_label, state.gate_peak, time_s);
      return state;
    }
    if (state.step == Step::confirming && state.peak >= Policy::kSecondChance) {
      state.step = Step::second_chance;
      state.since_s = time_s;
      state.peak = 0.0;
      return state;
    }
    return cool(state, time_s, Policy::kRejectedS);
  }

  static PolicyState active(PolicyState state, const Seen& seen, double time_s) noexcept {
    const double score = state.is_by_gate ? seen.score : fused(state, seen);
    const bool is_its_own = seen.kind == (state.is_by_gate ? Kind::gate : Kind::confirm);
    const bool is_alive = is_its_own && score >= (state.is_by_gate ? Policy::kGateLow : Policy::kConfirmLow);
    if (time_s - state.lasted_s > Policy::kReleaseS || time_s - state.event.decided_s > Policy::kLongestS) {
      return cool(state, time_s, Policy::kCoolS);
    }
    if (is_alive) {
      state.event.stop_s = seen.centre_s;
      state.lasted_s = time_s;
      state.event.score = !state.is_by_gate && score > state.event.score ? score : state.event.score;
    }
    return state;
  }
};

/// From probabilities to what is seen: the best of the wanted classes, averaged over the newest windows.
template <class Rated>
class Rater {
 public:
  void reset() noexcept {
    newest_s_ = -kInfinity;
    count_ = 0;
  }

  /// Return what a window shows; `follows_gap` says whether windows are missing before it.
  Seen see(double centre_s, const float* probabilities, bool& follows_gap) noexcept {
    const double step_s = centre_s - newest_s_;
    follows_gap = std::isfinite(step_s) && step_s > 1.5 * Rated::kHopS;
    count_ = follows_gap ? 0 : count_;
    newest_s_ = centre_s;
    double(&newest)[Rated::kWanted] = recent_[count_ % Rated::kSmooth];
    double sums[Rated::kWanted];
    for (int place = 0; place < Rated::kWanted; ++place) {
      sums[place] = newest[place] = static_cast<double>(probabilities[Rated::kColumns[place]]);
    }
    ++count_;
    const std::int64_t held = count_ < Rated::kSmooth ? count_ : Rated::kSmooth;
    for (std::int64_t back = 1; back < held; ++back) {
      for (int place = 0; place < Rated::kWanted; ++place) {
        sums[place] += recent_[(count_ - 1 - back) % Rated::kSmooth][place];
      }
    }
    int best = 0;
    for (int place = 0; place < Rated::kWanted; ++place) {
      sums[place] /= static_cast<double>(held);
      best = sums[place] > sums[best] ? place : best;
    }
    const double delay_s = static_cast<double>(held - 1) / 2 * Rated::kHopS;
    return Seen{Rated::kKind, centre_s - delay_s, sums[best], Rated::kLabels[best]};
  }

 private:
  double recent_[Rated::kSmooth][Rated::kWanted] = {};
  double newest_s_ = -kInfinity;
  std::int64_t count_ = 0;
};

/// Samples of a stream that the confirmer may see of before a wake.
template <int Width, int Capacity>
class PreRoll {
 public:
  struct Sample {
    double time_s;
    float values[Width];
  };

  void reset() noexcept { first_ = count_ = 0; }
  int count() const noexcept { return count_; }
  const Sample& at(int place) const noexcept { return samples_[(first_ + place) % Capacity]; }

  void push(double time_s, const float* values) noexcept {
    if (count_ == Capacity) {
      first_ = (first_ + 1) % Capacity;
      --count_;
    }
    Sample& sample = samples_[(first_ + count_++) % Capacity];
    sample.time_s = time_s;
    for (int place = 0; place < Width; ++place) {
      sample.values[place] = values[place];
    }
  }

 private:
  Sample samples_[Capacity];
  int first_ = 0;
  int count_ = 0;
};

