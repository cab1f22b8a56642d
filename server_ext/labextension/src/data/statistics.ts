/** What the first rows say of a column. Pure. */

import { Cell } from './sources';

/** Counts, and of numbers least, most and mean. */
export interface IStatistics {
  empty: number;
  distinct: number;
  least: number | null;
  most: number | null;
  mean: number | null;
}

const NUMBERS = /^(u?int\d*|integer|bigint|smallint|tinyint|mediumint|half(float)?|float\d*|double|real|decimal\d*|numeric)\b/i;

/** Whether a column of this type, Arrow's or a database's, holds numbers; of CSV and of decimals they come as text. */
export const isNumeric = (type: string): boolean => NUMBERS.test(type);

export function statistics(cells: Cell[], type: string): IStatistics {
  const known = cells.filter(cell => cell !== null && cell !== '');
  const numbers = isNumeric(type) ? known.map(Number).filter(Number.isFinite) : [];
  const counted = numbers.length > 0;
  return {
    empty: cells.length - known.length,
    distinct: new Set(known).size,
    least: counted ? numbers.reduce((one, other) => Math.min(one, other)) : null,
    most: counted ? numbers.reduce((one, other) => Math.max(one, other)) : null,
    mean: counted ? numbers.reduce((one, other) => one + other, 0) / numbers.length : null
  };
}

/** `12.3456` → `12.35`; whole numbers as they are. */
export function short(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

/** In a few words: `1 – 99 · mean 12.5`, `3 different`; then `2 empty`. */
export function inWords({ empty, distinct, least, most, mean }: IStatistics): string {
  const what =
    least !== null && most !== null && mean !== null
      ? `${short(least)} – ${short(most)} · mean ${short(mean)}`
      : `${distinct} different`;
  return empty ? `${what} · ${empty} empty` : what;
}

/** `1536` → `1.5 KiB`. */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(size, 1)) / 10));
  const value = size / 1024 ** power;
  return `${value < 10 && power ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}
