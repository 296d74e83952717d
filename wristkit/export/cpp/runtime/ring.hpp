// ---- Between threads, and between streams ----

/// A ring between one thread that pushes and one that pops. What comes while it is full is dropped and counted; the
/// stamps of what comes later tell the detector of the gap.
template <class T, std::size_t Capacity>
class SpscRing {
  static_assert(Capacity >= 2 && (Capacity & (Capacity - 1)) == 0, "the capacity is a power of two");

 public:
  /// Of the pushing thread: return whether there was room.
  bool push(const T& item) noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == Capacity) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    items_[head & (Capacity - 1)] = item;
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  /// Of the popping thread: return the oldest item, or nullptr where there is none.
  const T* front() const noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    return head_.load(std::memory_order_acquire) == tail ? nullptr : &items_[tail & (Capacity - 1)];
  }

  /// Of the popping thread: return the newest item, or nullptr where there is none.
  const T* back() const noexcept {
    const std::size_t head = head_.load(std::memory_order_acquire);
    return head == tail_.load(std::memory_order_relaxed) ? nullptr : &items_[(head - 1) & (Capacity - 1)];
  }

  /// Of the popping thread: take the oldest item away, which `front` showed.
  void pop() noexcept { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  /// How many items found no room.
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
  alignas(64) std::atomic<std::uint64_t> dropped_{0};
  T items_[Capacity];
};

/// Rings from sensor threads to the thread that runs a detector, which is given all streams in the order of time.
template <class Core, std::size_t Capacity>
class Feeder {
 public:
  struct Sample {
    double time_s;
    float values[Core::kMostValues];
  };

  /// Of the one thread that has a stream's samples: hand over a sample, or return that there was no room.
  bool offer(int stream, double time_s, const float* values) noexcept {
    Sample sample{time_s, {}};
    for (int place = 0; place < Core::kStreamWidths[stream]; ++place) {
      sample.values[place] = values[place];
    }
    return rings_[stream].push(sample);
  }

  /// Of the detector's thread: push all that is in order by now. A stream that is needed is waited for, up to
  /// `Core::kMaxWaitS`.
  template <class Sink>
  void drain(Core& core, Sink&& sink) noexcept {
    for (int stream = next(core, false); stream >= 0; stream = next(core, false)) {
      pass_on(core, stream, sink);
    }
  }

  /// Of the detector's thread: push the rest, because nothing more comes.
  template <class Sink>
  void finish(Core& core, Sink&& sink) noexcept {
    for (int stream = next(core, true); stream >= 0; stream = next(core, true)) {
      pass_on(core, stream, sink);
    }
    core.flush(sink);
  }

  std::uint64_t dropped(int stream) const noexcept { return rings_[stream].dropped(); }

 private:
  int next(const Core& core, bool is_last) noexcept {
    int first = -1;
    double first_s = kInfinity;
    for (int stream = 0; stream < Core::kStreams; ++stream) {
      if (const Sample* newest = rings_[stream].back()) {
        newest_s_[stream] = newest->time_s;
        newest_of_all_s_ = newest->time_s > newest_of_all_s_ ? newest->time_s : newest_of_all_s_;
      }
      const Sample* front = rings_[stream].front();
      if (front != nullptr && front->time_s < first_s) {
        first = stream;
        first_s = front->time_s;
      }
    }
    for (int stream = 0; stream < Core::kStreams && !is_last; ++stream) {
      const bool lags = newest_of_all_s_ - newest_s_[stream] > Core::kMaxWaitS;
      if (core.needs(stream) && rings_[stream].front() == nullptr && !lags) {
        return -1;
      }
    }
    return first;
  }

  template <class Sink>
  void pass_on(Core& core, int stream, Sink&& sink) noexcept {
    const Sample sample = *rings_[stream].front();
    rings_[stream].pop();
    core.push(stream, sample.time_s, sample.values, sink);
  }

  SpscRing<Sample, Capacity> rings_[Core::kStreams];
  double newest_s_[Core::kStreams] = {};
  double newest_of_all_s_ = -kInfinity;
};

