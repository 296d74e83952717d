// ---- Layers: each holds what it will look at again, and gives a column where one is complete ----

/// Scale sums where weights are int8, and add the bias.
template <class Layer>
void finish(const float (&sums)[Layer::kOutputs], float (&output)[Layer::kOutputs]) noexcept {
  for (int place = 0; place < Layer::kOutputs; ++place) {
    if constexpr (Layer::kIsQuantised) {
      output[place] = sums[place] * Layer::kScale[place] + Layer::kBias[place];
    } else {
      output[place] = sums[place] + Layer::kBias[place];
    }
  }
}


/// A convolution over time of all channels. Weights lie as [kernel][input][output], so that the inner loop runs over
/// outputs; of int8 weights the sums are scaled at the end.
template <class Layer>
class Convolution {
 public:
  void reset() noexcept { count_ = 0; }

  bool push(const float (&input)[Layer::kInputs], float (&output)[Layer::kOutputs]) noexcept {
    float* newest = columns_[count_ % kSpan];
    for (int channel = 0; channel < Layer::kInputs; ++channel) {
      newest[channel] = input[channel];
    }
    ++count_;
    if (count_ < kSpan || (count_ - kSpan) % Layer::kStride != 0) {
      return false;
    }
    float sums[Layer::kOutputs] = {};
    for (int tap = 0; tap < Layer::kKernel; ++tap) {
      add(columns_[(count_ + tap * Layer::kDilation) % kSpan], Layer::kWeights[tap], sums);
    }
    finish<Layer>(sums, output);
    return true;
  }

 private:
  static constexpr int kSpan = (Layer::kKernel - 1) * Layer::kDilation + 1;
  using Weight = typename Layer::Weight;

  static void add(const float* column, const Weight (&weights)[Layer::kInputs][Layer::kOutputs],
                  float (&sums)[Layer::kOutputs]) noexcept {
    int channel = 0;
    for (; channel + 4 <= Layer::kInputs; channel += 4) {  // four at a time: sums are loaded and stored less often
      for (int place = 0; place < Layer::kOutputs; ++place) {
        sums[place] += column[channel] * static_cast<float>(weights[channel][place]) +
                       column[channel + 1] * static_cast<float>(weights[channel + 1][place]) +
                       column[channel + 2] * static_cast<float>(weights[channel + 2][place]) +
                       column[channel + 3] * static_cast<float>(weights[channel + 3][place]);
      }
    }
    for (; channel < Layer::kInputs; ++channel) {
      for (int place = 0; place < Layer::kOutputs; ++place) {
        sums[place] += column[channel] * static_cast<float>(weights[channel][place]);
      }
    }
  }

  float columns_[kSpan][Layer::kInputs] = {};
  std::int64_t count_ = 0;
};

/// A convolution over time of each channel by itself. Weights lie as [kernel][channel].
template <class Layer>
class Depthwise {
 public:
  void reset() noexcept { count_ = 0; }

  bool push(const float (&input)[Layer::kInputs], float (&output)[Layer::kOutputs]) noexcept {
    float* newest = columns_[count_ % kSpan];
    for (int channel = 0; channel < Layer::kInputs; ++channel) {
      newest[channel] = input[channel];
    }
    ++count_;
    if (count_ < kSpan || (count_ - kSpan) % Layer::kStride != 0) {
      return false;
    }
    float sums[Layer::kOutputs] = {};
    for (int tap = 0; tap < Layer::kKernel; ++tap) {
      const float* column = columns_[(count_ + tap * Layer::kDilation) % kSpan];
      for (int channel = 0; channel < Layer::kOutputs; ++channel) {
        sums[channel] += column[channel] * static_cast<float>(Layer::kWeights[tap][channel]);
      }
    }
    finish<Layer>(sums, output);
    return true;
  }

 private:
  static constexpr int kSpan = (Layer::kKernel - 1) * Layer::kDilation + 1;
  float columns_[kSpan][Layer::kInputs] = {};
  std::int64_t count_ = 0;
};

enum class Pooled : std::uint8_t { mean, most };

/// The mean or the greatest of some steps, without padding.
template <int Channels, int Kernel, int Stride, int Dilation, Pooled Kind>
class Pool {
 public:
  void reset() noexcept { count_ = 0; }

  bool push(const float (&input)[Channels], float (&output)[Channels]) noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      columns_[count_ % kSpan][channel] = input[channel];
    }
    ++count_;
    if (count_ < kSpan || (count_ - kSpan) % Stride != 0) {
      return false;
    }
    for (int channel = 0; channel < Channels; ++channel) {
      float value = columns_[count_ % kSpan][channel];
      for (int tap = 1; tap < Kernel; ++tap) {
        const float next = columns_[(count_ + tap * Dilation) % kSpan][channel];
        value = Kind == Pooled::mean ? value + next : next > value ? next : value;
      }
      output[channel] = Kind == Pooled::mean ? value / static_cast<float>(Kernel) : value;
    }
    return true;
  }

 private:
  static constexpr int kSpan = (Kernel - 1) * Dilation + 1;
  float columns_[kSpan][Channels] = {};
  std::int64_t count_ = 0;
};

/// The newest steps, of which a window is made: summed anew for each decision, so that nothing drifts.
template <int Channels, int Steps>
class Newest {
 public:
  void reset() noexcept { count_ = 0; }

  void push(const float (&input)[Channels]) noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      columns_[count_ % Steps][channel] = input[channel];
    }
    ++count_;
  }

  void mean(float (&output)[Channels]) const noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      output[channel] = 0.0F;
    }
    for (int step = 0; step < Steps; ++step) {
      for (int channel = 0; channel < Channels; ++channel) {
        output[channel] += columns_[(count_ + step) % Steps][channel];
      }
    }
    for (int channel = 0; channel < Channels; ++channel) {
      output[channel] /= static_cast<float>(Steps);
    }
  }

  void most(float (&output)[Channels]) const noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      output[channel] = columns_[0][channel];
      for (int step = 1; step < Steps; ++step) {
        output[channel] = columns_[step][channel] > output[channel] ? columns_[step][channel] : output[channel];
      }
    }
  }

  void last(float (&output)[Channels]) const noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      output[channel] = columns_[(count_ + Steps - 1) % Steps][channel];
    }
  }

  void all(float (&output)[Channels * Steps]) const noexcept {
    for (int channel = 0; channel < Channels; ++channel) {
      for (int step = 0; step < Steps; ++step) {
        output[channel * Steps + step] = columns_[(count_ + step) % Steps][channel];
      }
    }
  }

 private:
  float columns_[Steps][Channels] = {};
  std::int64_t count_ = 0;
};

/// A matrix and a bias. Weights lie as [input][output].
template <class Layer>
void dense(const float (&input)[Layer::kInputs], float (&output)[Layer::kOutputs]) noexcept {
  float sums[Layer::kOutputs] = {};
  for (int place = 0; place < Layer::kInputs; ++place) {
    for (int result = 0; result < Layer::kOutputs; ++result) {
      sums[result] += input[place] * static_cast<float>(Layer::kWeights[place][result]);
    }
  }
  finish<Layer>(sums, output);
}

/// (x - mean) * scale of each channel, in this order: a big mean taken off first costs no digits.
template <class Layer, int Channels>
void normalise(const float (&input)[Channels], float (&output)[Channels]) noexcept {
  for (int channel = 0; channel < Channels; ++channel) {
    output[channel] = (input[channel] - Layer::kMean[channel]) * Layer::kScale[channel];
  }
}

/// x * factor + offset of each channel.
template <class Layer, int Channels>
void affine(const float (&input)[Channels], float (&output)[Channels]) noexcept {
  for (int channel = 0; channel < Channels; ++channel) {
    output[channel] = input[channel] * Layer::kFactors[channel] + Layer::kOffsets[channel];
  }
}

/// A function of each number.
template <int Channels, class Function>
void each(const float (&input)[Channels], float (&output)[Channels], Function&& function) noexcept {
  for (int channel = 0; channel < Channels; ++channel) {
    output[channel] = function(input[channel]);
  }
}

template <int Channels>
void add(const float (&one)[Channels], const float (&other)[Channels], float (&output)[Channels]) noexcept {
  for (int channel = 0; channel < Channels; ++channel) {
    output[channel] = one[channel] + other[channel];
  }
}

/// Some channels of a column, put at a place of another.
template <int From, int To>
void copy(const float (&input)[From], int first, int count, float (&output)[To], int place) noexcept {
  for (int channel = 0; channel < count; ++channel) {
    output[place + channel] = input[first + channel];
  }
}

inline float relu(float x) noexcept { return x > 0.0F ? x : 0.0F; }
inline float relu6(float x) noexcept { return x < 0.0F ? 0.0F : x > 6.0F ? 6.0F : x; }
inline float sigmoid(float x) noexcept { return 1.0F / (1.0F + std::exp(-x)); }
inline float hard_sigmoid(float x) noexcept { return relu6(x + 3.0F) / 6.0F; }
inline float hard_swish(float x) noexcept { return x * hard_sigmoid(x); }
inline float silu(float x) noexcept { return x * sigmoid(x); }
inline float tanh_of(float x) noexcept { return std::tanh(x); }
inline float softplus(float x) noexcept { return x > 20.0F ? x : std::log1p(std::exp(x)); }
inline float gelu(float x) noexcept { return 0.5F * x * (1.0F + std::erf(x * 0.70710678F)); }
inline float gelu_by_tanh(float x) noexcept {
  return 0.5F * x * (1.0F + std::tanh(0.79788456F * (x + 0.044715F * x * x * x)));
}
inline float elu(float x) noexcept { return x > 0.0F ? x : std::expm1(x); }

/// One more class that was learned from a few examples: it takes its share of the classes `first` to `stop`.
template <class Layer, int Width, int Classes>
void add_class(const float (&embedded)[Width], const float (&before)[Classes],
               float (&after)[Classes + 1]) noexcept {
  constexpr float kSurest = 8.0F;
  constexpr float kLeast = 1e-6F;
  float odds[1];
  dense<Layer>(embedded, odds);
  odds[0] = odds[0] < -kSurest ? -kSurest : odds[0] > kSurest ? kSurest : odds[0];
  const float share = relu(sigmoid(odds[0]) - Layer::kNothing) * Layer::kStretch;
  float most = before[Layer::kFirst];
  for (int place = Layer::kFirst; place < Layer::kStop; ++place) {
    most = before[place] > most ? before[place] : most;
  }
  float sum = 0.0F;
  for (int place = Layer::kFirst; place < Layer::kStop; ++place) {
    sum += std::exp(before[place] - most);
  }
  const float left = 1.0F - share;
  for (int place = 0; place < Classes; ++place) {
    const bool gives = place >= Layer::kFirst && place < Layer::kStop;
    after[place] = before[place] + (gives ? std::log(left < kLeast ? kLeast : left) : 0.0F);
  }
  after[Classes] = std::log(sum) + most + std::log(share < kLeast ? kLeast : share);
}

template <int Classes>
void softmax(const float (&logits)[Classes], float (&probabilities)[Classes]) noexcept {
  float most = logits[0];
  for (int place = 1; place < Classes; ++place) {
    most = logits[place] > most ? logits[place] : most;
  }
  float sum = 0.0F;
  for (int place = 0; place < Classes; ++place) {
    probabilities[place] = std::exp(logits[place] - most);
    sum += probabilities[place];
  }
  for (int place = 0; place < Classes; ++place) {
    probabilities[place] /= sum;
  }
}

