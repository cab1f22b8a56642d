/** One metric of one or several runs as lines over its steps. */

import React from 'react';

import { bounds, ticks } from './scale';

export interface IRun {
  name: string;
  points: { step: number; value: number }[];
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [420, 190, 52, 12, 10, 24];
/** Of middle brightness: seen on light and on dark, told apart also by who does not tell red from green. */
const COLOURS = ['#4c78a8', '#e8833a', '#3f9e8f', '#d1495b', '#8e6bbf', '#9a7b4f', '#c266a0', '#7f8c8d'];
const DASHES = ['', '7 3', '2 3', '9 3 2 3'];
const DRAWN_MAX = 1000;

export const lookOf = (number: number): { stroke: string; strokeDasharray: string } => ({
  stroke: COLOURS[number % COLOURS.length],
  strokeDasharray: DASHES[Math.floor(number / COLOURS.length) % DASHES.length]
});

/** `0.00012345` → `1.23e-4`, `0.12345` → `0.1235`. */
export function short(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

export function Chart({ title, runs }: { title: string; runs: IRun[] }): React.JSX.Element {
  const [at, setAt] = React.useState<number | null>(null);
  const drawn = runs.map(run => ({ ...run, points: run.points.filter(({ value }) => Number.isFinite(value)) }));
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) {
    return <p className="hbn-quiet">{title}: no number yet.</p>;
  }
  const [left, right] = bounds(all.map(({ step }) => step));
  const [low, high] = bounds(all.map(({ value }) => value));
  const x = (step: number): number => LEFT + ((step - left) / (right - left)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const under = (event: React.MouseEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(left + ((((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT)) * (right - left));
  };
  const told = drawn.map(({ name, points }) => ({ name, point: nearest(points, at) }));
  const words = told.map(({ name, point }) => `${name} ${point ? `${short(point.value)} at step ${point.step}` : 'nothing'}`);
  return (
    <figure className="hbn-Chart">
      <figcaption>
        <strong>{title}</strong>{' '}
        <span className="hbn-quiet">
          {told[0].point && (runs.length === 1 ? `${short(told[0].point.value)} at step ${told[0].point.step}` : '')}
        </span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}: ${words.join(', ')}`}
        onMouseMove={under}
        onMouseLeave={() => setAt(null)}
      >
        {ticks(low, high).map(value => (
          <g key={value}>
            <line x1={LEFT} x2={WIDTH - RIGHT} y1={y(value)} y2={y(value)} />
            <text x={LEFT - 6} y={y(value) + 4} textAnchor="end">
              {short(value)}
            </text>
          </g>
        ))}
        {ticks(left, right).map(step => (
          <text key={step} x={x(step)} y={HEIGHT - 6} textAnchor="middle">
            {short(step)}
          </text>
        ))}
        {drawn.map(({ name, points }, number) => (
          <polyline
            key={number}
            points={thin(points)
              .map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`)
              .join(' ')}
            {...lookOf(number)}
          >
            <title>{name}</title>
          </polyline>
        ))}
        {told.map(
          ({ point }, number) =>
            point &&
            (at !== null || drawn[number].points.length === 1) && (
              <circle key={number} cx={x(point.step)} cy={y(point.value)} r={3.5} fill={lookOf(number).stroke} />
            )
        )}
      </svg>
      {runs.length > 1 && (
        <ul>
          {told.map(({ name, point }, number) => (
            <li key={number}>
              <svg viewBox="0 0 20 4" aria-hidden="true">
                <polyline points="0,2 20,2" {...lookOf(number)} />
              </svg>
              {name} <span className="hbn-quiet">{point ? `${short(point.value)} at step ${point.step}` : 'nothing'}</span>
            </li>
          ))}
        </ul>
      )}
    </figure>
  );
}

type Points = IRun['points'];

/** The point at a step, or the last one. */
function nearest(points: Points, at: number | null): Points[number] | undefined {
  return at === null
    ? points[points.length - 1]
    : points.reduce((best, each) => (Math.abs(each.step - at) < Math.abs(best.step - at) ? each : best), points[0]);
}

/** At most about a thousand points: of each stretch the least and the most, so that no peak is lost. */
function thin(points: Points): Points {
  const stretch = Math.ceil(points.length / (DRAWN_MAX / 2));
  if (stretch <= 2) {
    return points;
  }
  const found: Points = [];
  for (let from = 0; from < points.length; from += stretch) {
    const part = points.slice(from, from + stretch);
    const least = part.reduce((one, other) => (other.value < one.value ? other : one));
    const most = part.reduce((one, other) => (other.value > one.value ? other : one));
    found.push(...(least.step < most.step ? [least, most] : [most, least]));
  }
  return found;
}
