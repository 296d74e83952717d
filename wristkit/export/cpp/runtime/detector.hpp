// ---- From streams to windows ----

/// Conditioned samples of one source that wait for those of the others.
template <int Channels, int Capacity>
class Waiting {
 public:
  struct Sample {
    std::int64_t place;
    double needed_s;
    float values[Channels];
  };

  void reset() noexcept { first_ = count_ = 0; }
  bool is_empty() const noexcept { return count_ == 0; }
  const Sample& front() const noexcept { return samples_[first_]; }

  void pop() noexcept {
    first_ = (first_ + 1) % Capacity;
    --count_;
  }

  /// Put a sample behind the others; where there is no room the oldest goes, which is returned.
  bool push(std::int64_t place, double needed_s, const double (&values)[Channels]) noexcept {
    const bool is_full = count_ == Capacity;
    if (is_full) {
      pop();
    }
    Sample& sample = samples_[(first_ + count_++) % Capacity];
    sample.place = place;
    sample.needed_s = needed_s;
    for (int channel = 0; channel < Channels; ++channel) {
      sample.values[channel] = static_cast<float>(values[channel]);
    }
    return is_full;
  }

 private:
  Sample samples_[Capacity];
  int first_ = 0;
  int count_ = 0;
};

/// Give the probabilities of a window [channels][samples] of a stage.
using ScoreWindow = void (*)(void* context, int stage, const float* window, float* probabilities);

/// A net that somebody else runs, such as Core ML: it collects windows and asks for their probabilities.
template <class Spec>
class Elsewhere {
 public:
  void connect(ScoreWindow score, void* context, int stage) noexcept {
    score_ = score;
    context_ = context;
    stage_ = stage;
  }

  void reset() noexcept { count_ = 0; }

  void push(const float (&column)[Spec::kChannels]) noexcept {
    for (int channel = 0; channel < Spec::kChannels; ++channel) {
      columns_[count_ % Spec::kLength][channel] = column[channel];
    }
    ++count_;
  }

  void logits(float (&logits)[Spec::kClasses]) const noexcept {
    float window[Spec::kChannels][Spec::kLength];
    for (int sample = 0; sample < Spec::kLength; ++sample) {
      for (int channel = 0; channel < Spec::kChannels; ++channel) {
        window[channel][sample] = columns_[(count_ + sample) % Spec::kLength][channel];
      }
    }
    for (float& logit : logits) {
      logit = std::numeric_limits<float>::quiet_NaN();
    }
    if (score_ != nullptr) {
      score_(context_, stage_, &window[0][0], logits);
    }
    for (float& logit : logits) {
      logit = std::log(logit);
    }
  }

 private:
  ScoreWindow score_ = nullptr;
  void* context_ = nullptr;
  int stage_ = 0;
  std::int64_t count_ = 0;
  float columns_[Spec::kLength][Spec::kChannels] = {};
};

/// Conditioning, net and the windows between them: what a decoder or a cascade's policy is given.
template <class Spec, class Net>
class Stage {
 public:
  Stage() noexcept { reset(Worn{}); }

  void reset(const Worn& worn) noexcept {
    each_source([&](auto& one) {
      one.source.reset(worn);
      one.waiting.reset();
      one.given_up_s = -kInfinity;
    });
    newest_s_ = newest_score_s_ = -kInfinity;
    next_place_ = std::numeric_limits<std::int64_t>::min();
    columns_ = -1;
  }

  /// Take a sample of a source; on_window(centre_s, score_s, probabilities) is called for each window that it completes.
  template <class OnWindow>
  Status push(int stream, double time_s, const float* values, OnWindow&& on_window) noexcept {
    Status status = Status::unknown_stream;
    int place = 0;
    each_source([&](auto& one) {
      if (place++ == stream) {
        status = push_to(one, time_s, values, on_window);
      }
    });
    return status;
  }

  Net& net() noexcept { return net_; }

  /// Samples that came at times at which their stream had been given up waiting for.
  std::uint64_t late_samples() const noexcept { return late_; }

  /// Conditioned samples that were lost because another stream was too far behind.
  std::uint64_t overrun_samples() const noexcept { return overrun_; }

  /// Return the logits of one window [channels][samples], conditioned, by itself.
  static void logits_of_window(const float* window, float (&logits)[Spec::kClasses]) noexcept {
    Net net;
    net.reset();
    float column[Spec::kChannels];
    for (int sample = 0; sample < Spec::kLength; ++sample) {
      for (int channel = 0; channel < Spec::kChannels; ++channel) {
        column[channel] = window[channel * Spec::kLength + sample];
      }
      net.push(column);
    }
    net.logits(logits);
  }

 private:
  template <class Source, bool IsSound>
  struct Chosen;
  template <class Source>
  struct Chosen<Source, false> {
    using Type = Conditioned<Source, Spec>;
  };
  template <class Source>
  struct Chosen<Source, true> {
    using Type = Heard<Source, Spec>;
  };
  template <class Source>
  struct Sourced {
    typename Chosen<Source, Source::kIsSound>::Type source;
    Waiting<Source::kChannels, Spec::kAhead> waiting;
    double given_up_s = -kInfinity;
  };
  template <class List>
  struct All;
  template <class... Sources>
  struct All<Streams<Sources...>> {
    using Type = std::tuple<Sourced<Sources>...>;
  };

  template <class Function>
  void each_source(Function&& function) noexcept {
    std::apply([&](auto&... one) { (function(one), ...); }, sources_);
  }

  template <class One, class OnWindow>
  Status push_to(One& one, double time_s, const float* values, OnWindow&& on_window) noexcept {
    if (time_s < one.given_up_s) {
      ++late_;
      return Status::late;
    }
    scores_are_finite_ = true;
    const Status status = one.source.push(
        time_s, values, [&](std::int64_t place, const auto& conditioned, double needed_s) {
          overrun_ += one.waiting.push(place, needed_s, conditioned) ? 1U : 0U;
          join(on_window);
        });
    if (status == Status::taken) {
      newest_s_ = time_s > newest_s_ ? time_s : newest_s_;
      give_up_waiting();
    }
    return status == Status::taken && !scores_are_finite_ ? Status::scores_not_finite : status;
  }

  /// End the stretch of streams that are further behind than they are waited for.
  void give_up_waiting() noexcept {
    const double limit_s = newest_s_ - Spec::kMaxWaitS;
    each_source([&](auto& one) {
      if (one.source.newest_s() < limit_s) {
        one.source.end_stretch();
        one.given_up_s = limit_s;
      }
    });
  }

  /// Give the net each place of the grid that all sources have.
  template <class OnWindow>
  void join(OnWindow&& on_window) noexcept {
    while (true) {
      bool all = true;
      std::int64_t newest = std::numeric_limits<std::int64_t>::min();
      each_source([&](auto& one) {
        all = all && !one.waiting.is_empty();
        newest = !one.waiting.is_empty() && one.waiting.front().place > newest ? one.waiting.front().place : newest;
      });
      if (!all) {
        return;
      }
      bool whole = true;
      each_source([&](auto& one) {
        if (one.waiting.front().place < newest) {  // another source has nothing there
          one.waiting.pop();
          whole = false;
        }
      });
      if (whole) {
        take(newest, on_window);
      }
    }
  }

  template <class OnWindow>
  void take(std::int64_t place, OnWindow&& on_window) noexcept {
    float column[Spec::kChannels];
    double needed_s = -kInfinity;
    int channel = 0;
    each_source([&](auto& one) {
      const auto& sample = one.waiting.front();
      for (const float value : sample.values) {
        column[channel++] = value;
      }
      needed_s = sample.needed_s > needed_s ? sample.needed_s : needed_s;
      one.waiting.pop();
    });
    if (place != next_place_) {
      columns_ = -1;
    }
    next_place_ = place + 1;
    if (columns_ < 0) {  // windows begin at whole multiples of the hop
      if (place % Spec::kHop != 0) {
        return;
      }
      net_.reset();
      columns_ = 0;
    }
    net_.push(column);
    ++columns_;
    if (columns_ >= Spec::kLength && (columns_ - Spec::kLength) % Spec::kHop == 0) {
      score(place, needed_s, on_window);
    }
  }

  template <class OnWindow>
  void score(std::int64_t place, double needed_s, OnWindow&& on_window) noexcept {
    float logits[Spec::kClasses];
    float probabilities[Spec::kClasses];
    net_.logits(logits);
    softmax(logits, probabilities);
    // Scores that one sample completes together follow each other at the smallest step.
    const double score_s = needed_s > newest_score_s_ ? needed_s : std::nextafter(newest_score_s_, kInfinity);
    newest_score_s_ = score_s;
    for (const float probability : probabilities) {
      if (!std::isfinite(probability)) {
        scores_are_finite_ = false;
        return;
      }
    }
    const double first = static_cast<double>(place - Spec::kLength + 1);
    on_window((first + Spec::kLength / 2.0) / Spec::kRateHz, score_s, probabilities);
  }

  typename All<typename Spec::Sources>::Type sources_;
  Net net_;
  double newest_s_ = -kInfinity;
  double newest_score_s_ = -kInfinity;
  std::int64_t next_place_ = 0;
  std::int64_t columns_ = -1;  // of this stretch, that the net was given; -1 before the first
  std::uint64_t late_ = 0;
  std::uint64_t overrun_ = 0;
  bool scores_are_finite_ = true;
};


template <class Spec, class Net>
void window_of(const float* window, float* logits) noexcept {
  float given[Spec::kClasses];
  Stage<Spec, Net>::logits_of_window(window, given);
  for (const float logit : given) {
    *logits++ = logit;
  }
}

