// Sound of what is selected or in view, asked of Python piece by piece and played by the browser; only when asked to.
import { element } from "./dom.js";
import { LEFT } from "./time.js";

const FIRST_S = 4; // a short first piece is heard soon
const PIECE_S = 20;
const AHEAD_S = 6; // what is left to play when the next piece is asked for

export class Player {
  constructor(viewer) {
    this.viewer = viewer;
    this.head = element("div", "wk-playhead", { "aria-hidden": "true" });
    this.round = 0; // pieces of an earlier round come too late
    this.pieces = 0;
  }

  get position() {
    return this.playing ? this.playing.from + Math.max(0, this.context.currentTime - this.playing.began) : null;
  }

  toggle() {
    if (!this.viewer.meta().sound) this.viewer.say("there is no sound in this recording");
    else if (this.playing) this.pause();
    else this.play();
  }

  // A label or an event that was chosen and is in sight, what lies between two cursors, or all that is in view.
  span() {
    const { labelling, axis } = this.viewer;
    const { current, cursors } = labelling;
    const isSeen = current && current.stop >= axis.view[0] && current.start <= axis.view[1];
    if (isSeen && current.stop > current.start) return [current.start, current.stop];
    return cursors.length === 2 ? [...cursors].sort((one, other) => one - other) : [...axis.view];
  }

  play() {
    const [start, stop] = this.span();
    const again = this.left && this.left.start === start && this.left.stop === stop;
    this.context = this.context || new AudioContext();
    this.context.resume();
    this.round += 1;
    this.sources = [];
    this.playing = { from: again ? this.left.at : start, began: Infinity, start, stop, ready: again ? this.left.at : start, asked: false };
    this.left = null;
    this.fetch(FIRST_S);
    this.tick();
    this.viewer.redraw();
  }

  fetch(seconds) {
    const { round, playing } = this;
    playing.asked = true;
    this.viewer.kernel.send({ kind: "sound", start: playing.ready, stop: Math.min(playing.stop, playing.ready + seconds) }, (piece, buffers) => {
      if (round !== this.round) return;
      if (piece.error || !piece.count) {
        if (playing.began === Infinity) this.stop(piece.error || "there is no sound here");
        else playing.stop = playing.ready; // no more of it: what is under way is played to its end
        return;
      }
      this.schedule(playing, piece, buffers[0]);
      playing.asked = false;
    });
  }

  schedule(playing, { start, rate, count }, view) {
    const levels = new Int16Array(view.buffer.slice(view.byteOffset, view.byteOffset + 2 * count));
    let sound;
    try {
      sound = this.context.createBuffer(1, count, rate);
    } catch {
      this.stop(`this browser plays no sound of ${rate} samples a second`);
      return;
    }
    const samples = sound.getChannelData(0);
    for (let k = 0; k < count; k += 1) samples[k] = levels[k] / 32768;
    if (playing.began === Infinity) {
      playing.began = this.context.currentTime + 0.03;
      playing.from = start; // the sound may begin later than the window
      this.viewer.say(`playing ${start.toFixed(2)} s to ${playing.stop.toFixed(2)} s`);
    }
    const source = this.context.createBufferSource();
    source.buffer = sound;
    source.connect(this.context.destination);
    // A piece that comes late is joined in its midst, so that sound and cursor stay together.
    const due = playing.began + start - playing.from;
    const late = Math.max(0, this.context.currentTime - due);
    source.start(due + late, late);
    source.onended = () => (this.sources = this.sources.filter((one) => one !== source)); // hours of it are not kept
    this.sources.push(source);
    this.pieces += 1;
    playing.ready = start + count / rate;
  }

  tick() {
    const { playing } = this;
    if (!playing) return;
    const at = this.position;
    if (playing.began < Infinity && at >= playing.stop) {
      this.stop("played to the end");
      return;
    }
    if (!playing.asked && playing.ready < playing.stop - 1e-6 && playing.ready - at < AHEAD_S) this.fetch(PIECE_S);
    this.place(at);
    this.frame = requestAnimationFrame(() => this.tick());
  }

  place(at) {
    const { axis } = this.viewer;
    const x = axis.x(at);
    this.head.style.display = x >= 0 && x <= axis.width ? "block" : "none";
    this.head.style.transform = `translateX(${LEFT + x}px)`;
  }

  pause() {
    const { start, stop } = this.playing;
    const at = Math.min(this.position, stop);
    this.stop(`paused at ${at.toFixed(2)} s`);
    this.left = { at, start, stop };
  }

  stop(said) {
    for (const source of this.sources || []) source.disconnect();
    cancelAnimationFrame(this.frame);
    this.round += 1;
    this.playing = this.left = null;
    this.head.style.display = "none";
    if (said) this.viewer.say(said);
    this.viewer.redraw();
  }

  close() {
    if (this.playing) this.stop();
    if (this.context) this.context.close();
  }
}
