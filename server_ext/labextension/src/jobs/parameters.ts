/** A notebook's parameters as people write them: pure. */

export type Parameters = Record<string, unknown>;

/** What was meant: JSON where it is some (`3`, `true`, `[1, 2]`, `"3"`), otherwise the text itself. */
export function meant(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const written = (value: unknown): string =>
  typeof value === 'string' && meant(value) === value ? value : JSON.stringify(value);

/** Those that are not what the notebook sets itself: in JavaScript its `1.0` is 1, and a large int another one. */
export const changed = (parameters: Parameters, own: Parameters): Parameters =>
  Object.fromEntries(Object.entries(parameters).filter(([name, value]) => !(name in own) || written(value) !== written(own[name])));
