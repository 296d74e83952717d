// ---- Sound: log power of mel bands, 100 frames a second ----

/// A fixed low-pass from a rate to 16 kHz: `up` outputs for `down` samples, `half` outputs long on either side. `taps`
/// are those from the middle on.
struct Polyphase {
  int rate_hz;
  int up;
  int down;
  int half;
  const double* taps;
};

/// Cosine and sine of whole 400ths of a turn.
struct Turns {
  double cosine[400];
  double sine[400];
};

constexpr Turns turns_of(const double (&quarter)[101]) noexcept {
  Turns made{};
  for (int part = 0; part < 400; ++part) {
    const int back = part <= 200 ? part : 400 - part;
    made.cosine[part] = back <= 100 ? quarter[back] : -quarter[200 - back];
    const int later = (part + 300) % 400;  // sin(t) = cos(t - 1/4)
    const int folded = later <= 200 ? later : 400 - later;
    made.sine[part] = folded <= 100 ? quarter[folded] : -quarter[200 - folded];
  }
  return made;
}

/// The log-mel front end: a Hann window of 25 ms every 10 ms, its power spectrum, triangles on the mel scale, a logarithm.
/// A step of more than 1.5 periods is a hole, after which it begins anew.
template <class Mel>
class MelFront {
 public:
  double newest_s() const noexcept { return newest_s_; }

  void reset(int rate_hz) noexcept {
    ratio_ = nullptr;
    for (const Polyphase& one : Mel::kRates) {
      ratio_ = one.rate_hz == rate_hz ? &one : ratio_;
    }
    newest_s_ = -kInfinity;
    end_stretch();
  }

  /// Forget all sound, as a gap does.
  void end_stretch() noexcept {
    samples_ = 0;
    outputs_ = 0;
  }

  Status fault_of(double time_s, float sample) const noexcept {
    if (ratio_ == nullptr) {
      return Status::rate_unknown;
    }
    if (!std::isfinite(time_s) || !std::isfinite(sample)) {
      return Status::not_finite;
    }
    if (std::fabs(sample) > 2.0F) {
      return Status::implausible;
    }
    return time_s > newest_s_ ? Status::taken : Status::not_increasing;
  }

  /// Take a sample that is known to be right; emit(time_s, bands) is called where it completes a frame.
  template <class Emit>
  void push(double time_s, float sample, Emit&& emit) noexcept {
    if (time_s - newest_s_ > 1.5 / ratio_->rate_hz) {
      end_stretch();
    }
    newest_s_ = time_s;
    source_[samples_ & (kSource - 1)] = sample;
    ++samples_;
    if (ratio_->up == ratio_->down) {
      take(static_cast<double>(sample), emit);
      return;
    }
    // Outputs are counted from the first whose whole support is there: nothing is made up before the first sample.
    while ((outputs_ + 2 * ratio_->half + 1) * ratio_->down / ratio_->up < samples_) {
      take(filtered(outputs_ + ratio_->half + 1), emit);
    }
  }

 private:
  static constexpr int kWindow = 400;
  static constexpr int kHop = 160;
  static constexpr int kSide = 20;  // of the square that the transform of 400 falls into
  static constexpr std::int64_t kSource = 256;

  double filtered(std::int64_t output) const noexcept {
    const std::int64_t middle = static_cast<std::int64_t>(ratio_->half) * ratio_->down;
    const std::int64_t newest = (output + ratio_->half) * ratio_->down;
    double sum = 0.0;
    for (std::int64_t sample = (newest - 2 * middle + ratio_->up - 1) / ratio_->up; sample * ratio_->up <= newest; ++sample) {
      const std::int64_t tap = newest - sample * ratio_->up - middle;
      sum += ratio_->taps[tap < 0 ? -tap : tap] * static_cast<double>(source_[sample & (kSource - 1)]);
    }
    return sum;
  }

  template <class Emit>
  void take(double output, Emit&& emit) noexcept {
    held_[outputs_ % kWindow] = output;
    ++outputs_;
    if (outputs_ < kWindow || (outputs_ - kWindow) % kHop != 0) {
      return;
    }
    double bands[Mel::kBands];
    analyse(bands);
    emit(newest_s_ - lateness_s(), bands);
  }

  /// How much later than the middle of the window the newest sample is, by the count of samples.
  double lateness_s() const noexcept {
    const std::int64_t origin = ratio_->up == ratio_->down ? 0 : ratio_->half + 1;
    const std::int64_t begin = origin + outputs_ - kWindow;
    const std::int64_t newest = (begin + kWindow - 1 + ratio_->half) * ratio_->down / ratio_->up;
    const std::int64_t late = newest * ratio_->up - (begin + kWindow / 2) * ratio_->down;
    return static_cast<double>(late) / (static_cast<double>(ratio_->up) * ratio_->rate_hz);
  }

  void analyse(double (&bands)[Mel::kBands]) const noexcept {
    double power[kWindow / 2 + 1];
    spectrum(power);
    const double* weight = Mel::kWeights;
    for (int band = 0; band < Mel::kBands; ++band) {
      double sum = 0.0;
      for (int bin = Mel::kFirstBins[band]; bin < Mel::kFirstBins[band] + Mel::kBins[band]; ++bin) {
        sum += power[bin] * *weight++;
      }
      bands[band] = static_cast<double>(static_cast<float>(std::log(sum + Mel::kFloor)));
    }
  }

  /// The power of bins 0 to 200 of the window's transform, by 20 transforms of 20 each way (Cooley and Tukey).
  void spectrum(double (&power)[kWindow / 2 + 1]) const noexcept {
    double real[kSide / 2 + 1][kSide];
    double imaginary[kSide / 2 + 1][kSide];
    for (int row = 0; row < kSide; ++row) {
      double column[kSide];
      for (int step = 0; step < kSide; ++step) {
        const int place = kSide * step + row;
        const double window = (0.5 - 0.5 * kTurns.cosine[place]) * Mel::kScale;
        column[step] = held_[(outputs_ + place) % kWindow] * window;
      }
      for (int bin = 0; bin <= kSide / 2; ++bin) {
        double along = 0.0;
        double across = 0.0;
        for (int step = 0; step < kSide; ++step) {
          along += column[step] * kTurns.cosine[kSide * (step * bin % kSide)];
          across -= column[step] * kTurns.sine[kSide * (step * bin % kSide)];
        }
        real[bin][row] = along * kTurns.cosine[row * bin] + across * kTurns.sine[row * bin];
        imaginary[bin][row] = across * kTurns.cosine[row * bin] - along * kTurns.sine[row * bin];
      }
    }
    for (int bin = 0; bin <= kSide / 2; ++bin) {
      for (int turn = 0; turn < kSide; ++turn) {
        double along = 0.0;
        double across = 0.0;
        for (int row = 0; row < kSide; ++row) {
          const double cosine = kTurns.cosine[kSide * (row * turn % kSide)];
          const double sine = kTurns.sine[kSide * (row * turn % kSide)];
          along += real[bin][row] * cosine + imaginary[bin][row] * sine;
          across += imaginary[bin][row] * cosine - real[bin][row] * sine;
        }
        const int whole = bin + kSide * turn;
        power[whole <= kWindow / 2 ? whole : kWindow - whole] = along * along + across * across;
      }
    }
  }

  static constexpr Turns kTurns = turns_of(Mel::kQuarter);
  const Polyphase* ratio_ = nullptr;
  double newest_s_ = -kInfinity;
  std::int64_t samples_ = 0;
  std::int64_t outputs_ = 0;
  double held_[kWindow] = {};
  float source_[kSource] = {};
};

/// Front end, resampler and filters of the source that is made of sound.
template <class Source, class Spec>
class Heard {
 public:
  static constexpr int kChannels = Source::kChannels;

  double newest_s() const noexcept { return front_.newest_s(); }

  void reset(const Worn& worn) noexcept {
    front_.reset(worn.sound_rate_hz);
    frames_.reset(worn);
  }

  /// Forget all state, as a gap does; time still only moves forward.
  void end_stretch() noexcept {
    front_.end_stretch();
    frames_.end_stretch();
  }

  /// Take a sample; emit(place, values, needed_s) is called for each grid sample that it completes.
  template <class Emit>
  Status push(double time_s, const float* sample, Emit&& emit) noexcept {
    const Status status = front_.fault_of(time_s, *sample);
    if (status == Status::taken) {
      front_.push(time_s, *sample, [&](double frame_s, double(&bands)[kChannels]) {
        frames_.pass(frame_s, bands, time_s, emit);
      });
    }
    return status;
  }

 private:
  MelFront<typename Source::FrontEnd> front_;
  Conditioned<Source, Spec> frames_;
};

