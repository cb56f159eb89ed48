/** Draws images of levels: frames from left to right, bins upwards, 80 dB from dark to light. */

const RANGE = 80;

/** Colours from dark to light, whose lightness rises evenly: every eighth of Inferno (matplotlib, public domain). */
const STOPS = [
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164],
];

const COLOURS = Array.from({ length: 256 }, (_, at) => {
  const place = (at / 255) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low].map((x, c) => Math.round(x + (place - low) * (STOPS[low + 1][c] - x)));
});

/** Draws an image on a canvas, whose brightest pixel is `peak` dB, and a cursor wherever a `cursor` event says. */
export function draw(canvas, { frames, bins }, levels, peak) {
  const image = new ImageData(Math.max(1, frames), bins);
  for (let frame = 0; frame < frames; frame++) {
    for (let bin = 0; bin < bins; bin++) {
      const level = levels[frame * bins + bin];
      const share = (level - peak + RANGE) / RANGE;
      const at = ((bins - 1 - bin) * frames + frame) * 4;
      // What is not kept is as dark as what is silent.
      const [r, g, b] = COLOURS[Number.isNaN(share) ? 0 : Math.min(255, Math.max(0, Math.round(share * 255)))];
      image.data.set([r, g, b, 255], at);
    }
  }
  const scale = Math.min(2, globalThis.devicePixelRatio || 1);
  canvas.width = Math.round(canvas.clientWidth * scale) || 600;
  canvas.height = Math.round(canvas.clientHeight * scale) || 240;
  const small = document.createElement("canvas");
  small.width = image.width;
  small.height = image.height;
  small.getContext("2d").putImageData(image, 0, 0);
  const whole = document.createElement("canvas");
  whole.width = canvas.width;
  whole.height = canvas.height;
  const pen = whole.getContext("2d");
  pen.imageSmoothingEnabled = frames > canvas.width;
  pen.drawImage(small, 0, 0, whole.width, whole.height);
  const paint = (share) => {
    const pen = canvas.getContext("2d");
    pen.drawImage(whole, 0, 0);
    pen.fillStyle = "#ffffff";
    pen.fillRect(Math.round(share * (canvas.width - 2 * scale)), 0, Math.max(2, 1.5 * scale), canvas.height);
  };
  canvas.paint && canvas.removeEventListener("cursor", canvas.paint);
  canvas.paint = ({ detail }) => paint(detail);
  canvas.addEventListener("cursor", canvas.paint);
  paint(0);
}
