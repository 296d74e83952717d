// ---- From stamps as they are to the grid ----

/// Causal low-pass and interpolation: samples joined by straight lines, convolved exactly with a kernel of five grid
/// periods (a quadratic B-spline with its droop compensated), read off at k / rate. Sums over the support are carried
/// along, so that memory does not grow with the rate of the source.
template <int Channels>
class Resampler {
 public:
  explicit constexpr Resampler(double rate_hz) noexcept : rate_hz_(rate_hz), delay_s_(2.5 / rate_hz) {}

  void reset() noexcept { held_ = false; }

  /// Take the next sample; emit(place, values) is called for each place whose support is over.
  template <class Emit>
  void push(double time_s, const double (&values)[Channels], Emit&& emit) noexcept {
    if (!held_) {
      begin(time_s, values);
      return;
    }
    std::int64_t place = next_;
    for (; at(place) - delay_s_ < time_s || place < opened_; ++place) {
      Place& one = places_[static_cast<std::size_t>(place) & 7U];
      const double older = (time_s_ - at(place)) * rate_hz_;
      const double newer = (time_s - at(place)) * rate_hz_;
      if (place >= opened_) {
        one = Place{};
        one.integral = second_integral(older);
      }
      const double integral = second_integral(newer);
      const double share = newer == older ? 0.0 : (integral - one.integral) / (newer - older);
      one.integral = integral;
      for (int channel = 0; channel < Channels; ++channel) {
        one.sums[channel] += share * (values[channel] - values_[channel]);
      }
      if (at(place) + delay_s_ <= time_s) {
        double output[Channels];
        for (int channel = 0; channel < Channels; ++channel) {
          output[channel] = values[channel] - one.sums[channel] + 0.0;
        }
        next_ = place + 1;
        emit(place, output);
      }
    }
    opened_ = place;
    time_s_ = time_s;
    for (int channel = 0; channel < Channels; ++channel) {
      values_[channel] = values[channel];
    }
  }

 private:
  struct Place {
    double integral = 0.0;
    double sums[Channels] = {};
  };

  double at(std::int64_t place) const noexcept { return static_cast<double>(place) / rate_hz_; }

  void begin(double time_s, const double (&values)[Channels]) noexcept {
    held_ = true;
    next_ = static_cast<std::int64_t>(std::ceil(time_s * rate_hz_)) - 1;
    while (at(next_) < time_s) {
      ++next_;
    }
    opened_ = next_;
    time_s_ = time_s;
    for (int channel = 0; channel < Channels; ++channel) {
      values_[channel] = values[channel];
    }
  }

  /// The kernel integrated twice, at offsets in grid periods: 0 before it, the offset itself after it.
  static double second_integral(double periods) noexcept {
    return (periods > 0.0 ? periods : 0.0) + quartic(2.5 - std::fabs(periods)) * (-0.125 / 24) +
           quartic(1.5 - std::fabs(periods)) * (1.625 / 24) + quartic(0.5 - std::fabs(periods)) * (-4.25 / 24);
  }

  static double quartic(double offset) noexcept {
    const double positive = offset > 0.0 ? offset : 0.0;
    const double square = positive * positive;
    return square * square;
  }

  double rate_hz_;
  double delay_s_;
  bool held_ = false;
  std::int64_t next_ = 0;    // the first place whose support is not over
  std::int64_t opened_ = 0;  // the first place whose support has not begun
  double time_s_ = 0.0;
  double values_[Channels] = {};
  Place places_[8];
};

/// A filter as second-order sections in float64, settled on its first value.
template <class Filter, int Channels>
class Sections {
 public:
  static constexpr int kDelay = Filter::kDelay;

  /// Begin as if the input had been `first` for ever, and put in its place what comes out then.
  void start(double (&first)[Channels]) noexcept {
    const auto settle = [this](const double(&constant)[Channels]) {
      for (int section = 0; section < Filter::kSections; ++section) {
        for (int channel = 0; channel < Channels; ++channel) {
          older_[section][channel] = Filter::kSettled[section][0] * constant[channel];
          oldest_[section][channel] = Filter::kSettled[section][1] * constant[channel];
        }
      }
      count_ = 0;
    };
    double constant[Channels];
    for (int channel = 0; channel < Channels; ++channel) {
      constant[channel] = first[channel];
    }
    settle(constant);
    push(first);
    settle(constant);
  }

  void push(double (&values)[Channels]) noexcept {
    for (int section = 0; section < Filter::kSections; ++section) {
      const double(&factors)[6] = Filter::kFactors[section];
      for (int channel = 0; channel < Channels; ++channel) {
        const double input = values[channel];
        const double output = factors[0] * input + older_[section][channel];
        older_[section][channel] = factors[1] * input - factors[4] * output + oldest_[section][channel];
        oldest_[section][channel] = factors[2] * input - factors[5] * output;
        values[channel] = output;
      }
    }
    count_ = (count_ + 1) % kBlock;
    if (count_ == 0) {
      forget_tiny();
    }
  }

 private:
  static constexpr int kBlock = 16384;
  static constexpr double kTiny = 1e-100;

  /// What is left of a burst long ago would end as denormal numbers, each a hundred times as slow.
  void forget_tiny() noexcept {
    for (int section = 0; section < Filter::kSections; ++section) {
      for (int channel = 0; channel < Channels; ++channel) {
        older_[section][channel] = std::fabs(older_[section][channel]) < kTiny ? 0.0 : older_[section][channel];
        oldest_[section][channel] = std::fabs(oldest_[section][channel]) < kTiny ? 0.0 : oldest_[section][channel];
      }
    }
  }

  double older_[Filter::kSections][Channels] = {};
  double oldest_[Filter::kSections][Channels] = {};
  int count_ = 0;
};

enum class Statistic : std::uint8_t { mean, std, rms, min, max };

/// A statistic of the last samples at the same cost a sample whatever their number: of the end of one block and the
/// beginning of the next, both summed up from their border.
template <class Filter, int Channels>
class Moving {
 public:
  static constexpr int kDelay = Filter::kDelay;

  /// Begin as if the input had been `first` for ever, and put in its place what comes out then.
  void start(double (&first)[Channels]) noexcept {
    const auto settle = [this](const double(&constant)[Channels]) {
      for (int channel = 0; channel < Channels; ++channel) {
        for (int place = 0; place < Filter::kLength; ++place) {
          held_[channel][place] = constant[channel];
        }
      }
      filled_ = 0;
      turn_block();
    };
    double constant[Channels];
    for (int channel = 0; channel < Channels; ++channel) {
      constant[channel] = first[channel];
    }
    settle(constant);
    push(first);
    settle(constant);
  }

  void push(double (&values)[Channels]) noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      held_[channel][filled_] = values[channel];
      values[channel] = statistic(channel, values[channel]);
    }
    if (++filled_ == Filter::kLength) {
      filled_ = 0;
      turn_block();
    }
  }

 private:
  static constexpr bool kIsExtreme = Filter::kStatistic == Statistic::min || Filter::kStatistic == Statistic::max;
  static constexpr bool kIsCentred = Filter::kStatistic == Statistic::mean || Filter::kStatistic == Statistic::std;

  static double joined(double one, double other) noexcept {
    if constexpr (Filter::kStatistic == Statistic::min) {
      return other < one ? other : one;
    } else if constexpr (Filter::kStatistic == Statistic::max) {
      return other > one ? other : one;
    } else {
      return one + other;
    }
  }

  static double first_plane(double value, double reference) noexcept {
    if constexpr (kIsCentred) {
      return value - reference;
    } else if constexpr (Filter::kStatistic == Statistic::rms) {
      return value * value;
    } else {
      return value;
    }
  }

  /// Sum up the block that is full from its end: at each place, what comes after it.
  void turn_block() noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      double sum = Filter::kStatistic == Statistic::min ? kInfinity
                   : Filter::kStatistic == Statistic::max ? -kInfinity
                                                          : 0.0;
      double squares = 0.0;
      reference_[channel] = held_[channel][Filter::kLength - 1];
      for (int place = Filter::kLength - 1; place >= 0; --place) {
        older_[channel][place] = sum;
        sum = joined(sum, first_plane(held_[channel][place], reference_[channel]));
        if constexpr (Filter::kStatistic == Statistic::std) {
          older_squares_[channel][place] = squares;
          const double apart = held_[channel][place] - reference_[channel];
          squares += apart * apart;
        }
      }
    }
  }

  double statistic(int channel, double value) noexcept {
    const double reference = held_[channel][0];
    const double plane = first_plane(value, reference);
    newest_[channel] = filled_ == 0 ? plane : joined(newest_[channel], plane);
    const double older = older_[channel][filled_];
    if constexpr (kIsExtreme) {
      return joined(older, newest_[channel]);
    }
    if constexpr (Filter::kStatistic == Statistic::rms) {
      return std::sqrt((older + newest_[channel]) / Filter::kLength);
    }
    const double fresh = filled_ + 1;
    const double old = Filter::kLength - fresh;
    const double some = old > 1.0 ? old : 1.0;
    const double apart = (reference_[channel] + older / some) - (reference + newest_[channel] / fresh);
    if constexpr (Filter::kStatistic == Statistic::mean) {
      return reference + newest_[channel] / fresh + old / Filter::kLength * apart;
    } else {
      newest_squares_[channel] = (filled_ == 0 ? 0.0 : newest_squares_[channel]) + plane * plane;
      const double squares = older_squares_[channel][filled_] - older * older / some + newest_squares_[channel] -
                             newest_[channel] * newest_[channel] / fresh;
      const double whole = squares + apart * apart * (old * fresh / Filter::kLength);
      return std::sqrt((whole > 0.0 ? whole : 0.0) / Filter::kLength);
    }
  }

  static constexpr int kSquares = Filter::kStatistic == Statistic::std ? Filter::kLength : 1;
  double held_[Channels][Filter::kLength] = {};
  double older_[Channels][Filter::kLength] = {};
  double older_squares_[Channels][kSquares] = {};
  double reference_[Channels] = {};
  double newest_[Channels] = {};
  double newest_squares_[Channels] = {};
  int filled_ = 0;
};

// ---- One stream ----

/// Which channel becomes this one in the frame of the wrist, and its sign.
struct Turned {
  int from;
  double sign;
};

/// Frame, resampler and filters of one source, started anew after each gap.
template <class Source, class Spec>
class Conditioned {
 public:
  static constexpr int kChannels = Source::kChannels;

  double newest_s() const noexcept { return newest_s_; }

  void reset(const Worn& worn) noexcept {
    newest_s_ = -kInfinity;
    far_steps_ = 0;
    side_ = worn.wrist == Side::unknown || worn.crown == Side::unknown
                ? -1
                : 2 * (worn.wrist == Side::right) + (worn.crown == Side::right);
    end_stretch();
  }

  /// Forget all state, as a gap does; time still only moves forward.
  void end_stretch() noexcept {
    resampler_.reset();
    has_place_ = false;
    has_attitude_ = false;
  }

  /// Take a sample; emit(place, values, needed_s) is called for each grid sample that it completes.
  template <class Emit>
  Status push(double time_s, const float* values, Emit&& emit) noexcept {
    const Status status = fault_of(time_s, values);
    if (status != Status::taken) {
      return status;
    }
    double turned[kChannels];
    for (int channel = 0; channel < kChannels; ++channel) {
      if constexpr (Source::kIsTurned) {
        const Turned& one = Source::kTurns[side_][channel];
        turned[channel] = one.sign * static_cast<double>(values[one.from]);
      } else {
        turned[channel] = static_cast<double>(values[channel]);
      }
    }
    pass(time_s, turned, time_s, emit);
    return Status::taken;
  }

  /// Take a sample that is known to be right and in this frame.
  template <class Emit>
  void pass(double time_s, double (&values)[kChannels], double needed_s, Emit&& emit) noexcept {
    const double step_s = time_s - newest_s_;
    far_steps_ = is_far(step_s) ? far_steps_ + 1 : 0;
    if (step_s > Source::kLongestStepS) {
      end_stretch();
    }
    newest_s_ = time_s;
    if constexpr (Source::kIsAttitude) {
      make_continuous(values);
    }
    resampler_.push(time_s, values, [&](std::int64_t place, double(&output)[kChannels]) {
      if constexpr (Source::kIsAttitude) {
        make_unit_length(output);
      }
      filter(place, output, needed_s, emit);
    });
  }

 private:
  static constexpr int kFarSteps = 8;

  static bool is_far(double step_s) noexcept {
    return step_s > 10 * Source::kLongestStepS && step_s < kInfinity;
  }

  Status fault_of(double time_s, const float* values) const noexcept {
    if (Source::kIsTurned && side_ < 0) {
      return Status::sides_unknown;
    }
    if (!std::isfinite(time_s)) {
      return Status::not_finite;
    }
    for (int channel = 0; channel < kChannels; ++channel) {
      if (!std::isfinite(values[channel])) {
        return Status::not_finite;
      }
    }
    for (int channel = 0; channel < kChannels; ++channel) {
      if (values[channel] < Source::kLeast || values[channel] > Source::kMost) {
        return Status::implausible;
      }
    }
    const double step_s = time_s - newest_s_;
    if (std::fabs(time_s) > kLatestS || (is_far(step_s) && far_steps_ + 1 >= kFarSteps)) {
      return Status::not_seconds;
    }
    return step_s > 0.0 ? Status::taken : Status::not_increasing;
  }

  template <class Emit>
  void filter(std::int64_t place, double (&values)[kChannels], double needed_s, Emit&& emit) noexcept {
    if (!has_place_) {
      has_place_ = true;
      first_place_ = place;
      double first[kChannels];
      for (int channel = 0; channel < kChannels; ++channel) {
        first[channel] = values[channel];
      }
      filters_.start(first);
    }
    filters_.push(values);
    // A filter's output belongs some places earlier; what would lie before the stretch was never recorded.
    if (place - Filters::kDelay >= first_place_) {
      emit(place - Filters::kDelay, values, needed_s);
    }
  }

  /// Turn the sign of a quaternion so that it is the nearer to the one before it.
  void make_continuous(double (&values)[kChannels]) noexcept {
    double along = has_attitude_ ? 0.0 : values[0];
    for (int channel = 0; channel < kChannels && has_attitude_; ++channel) {
      along += values[channel] * attitude_[channel];
    }
    has_attitude_ = true;
    for (int channel = 0; channel < kChannels; ++channel) {
      values[channel] *= along < 0.0 ? -1.0 : 1.0;
      attitude_[channel] = values[channel];
    }
  }

  static void make_unit_length(double (&values)[kChannels]) noexcept {
    double squares = 0.0;
    for (int channel = 0; channel < kChannels; ++channel) {
      squares += values[channel] * values[channel];
    }
    const double length = squares > 0.0 ? std::sqrt(squares) : 1.0;
    for (int channel = 0; channel < kChannels; ++channel) {
      values[channel] /= length;
    }
  }

  using Filters = typename Spec::template Filters<kChannels>;
  Resampler<kChannels> resampler_{Spec::kRateHz};
  Filters filters_;
  double newest_s_ = -kInfinity;
  std::int64_t first_place_ = 0;
  double attitude_[kChannels] = {};
  int far_steps_ = 0;
  int side_ = -1;
  bool has_place_ = false;
  bool has_attitude_ = false;
};

