// ---- What is said to the outside ----

/// What became of a sample that was pushed.
enum class Status : std::uint8_t {
  taken,
  unknown_stream,
  not_finite,         ///< NaN or infinity: leave such samples out, the gap rule covers them
  implausible,        ///< no wrist gives such values: check the unit
  not_seconds,        ///< step after step is far beyond a gap: give seconds, not milliseconds
  not_increasing,     ///< its stream had this time already
  late,               ///< its stream was given up waiting for at that time
  sides_unknown,      ///< the wrist frame needs reset(wrist, crown) first
  rate_unknown,       ///< sound needs reset with one of the rates that kSoundRates lists
  scores_not_finite,  ///< the net's input was far outside of what it was trained on
};

enum class Side : std::uint8_t { unknown, left, right };

/// How a watch is worn, which the wrist frame needs, and the rate of its microphone, which sound needs.
struct Worn {
  Side wrist = Side::unknown;
  Side crown = Side::unknown;
  int sound_rate_hz = 16000;
};

/// Something that was detected; `label` is a place in `kClassNames`.
struct Event {
  double start_s = 0.0;
  double stop_s = 0.0;
  int label = 0;
  double score = 0.0;
  double decided_s = 0.0;
};

/// An event as it becomes known: once when it is decided, its end still open, and once when it is final.
struct EventUpdate {
  Event event;
  bool is_final = false;
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kEpsilonS = 1e-9;
constexpr double kLatestS = 1e11;

/// The sources of a detector, in the order of its channels.
template <class... Sources>
struct Streams {};

