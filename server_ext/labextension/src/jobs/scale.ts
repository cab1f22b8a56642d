/** A chart's axes: pure. */

const TICKS_MAX = 12;
/** Relative to its size, two numbers nearer than this are one: their difference is rounding. */
const SAME = 1e-12;

/** Round numbers within the bounds, four or so. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find(each => each * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step);
  const found = Array.from({ length: TICKS_MAX }, (_, at) => (first + at) * step);
  return found.filter(each => each <= high + step * 1e-9);
}

/** The least and the greatest value, with room around where there is nothing between them. */
export function bounds(values: number[]): [number, number] {
  const low = values.reduce((one, other) => Math.min(one, other), Infinity);
  const high = values.reduce((one, other) => Math.max(one, other), -Infinity);
  const room = high - low <= Math.abs(low) * SAME ? Math.abs(low) * 0.1 || 1 : 0;
  return [low - room, high + room];
}
