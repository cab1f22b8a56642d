/** The lines that read a place, for each way to read it. */

import { IPlace, isDatabase, nameOf, uriOf } from './sources';

export type Way = 'pandas' | 'DuckDB' | 'Spark' | 'SQL' | 'Python';

const ROWS = 10_000;
const PANDAS: [RegExp, string, string][] = [
  [/\.(parquet|parq)$/i, 'read_parquet', ''],
  [/\.csv$/i, 'read_csv', ''],
  [/\.tsv$/i, 'read_csv', ', sep="\\t"'],
  [/\.(jsonl|ndjson)$/i, 'read_json', ', lines=True']
];

/** How it can be read; the first is the usual one. Empty: it holds nothing by itself. */
export function ways(place: IPlace): Way[] {
  if (place.type === 'table') {
    return isDatabase(place.source) ? ['pandas', 'SQL', 'DuckDB', 'Spark'] : ['pandas', 'DuckDB', 'Spark'];
  }
  if (place.type === 'source') {
    return [];
  }
  return place.type === 'folder' || isTable(place) ? ['pandas', 'DuckDB', 'Spark'] : ['Python'];
}

/** Python for a cell of its own. */
export function code(place: IPlace, way: Way): string {
  const table = text(`${place.source.name}/${place.path}`);
  const name = variable(place);
  switch (way) {
    case 'pandas':
      return pandas(place, table, name);
    case 'DuckDB':
      return (
        `import hubernate  # and once: %pip install duckdb\n\n${name} = hubernate.table(${table}).to_duckdb()\n` +
        `${name}.query("${name}", "select * from ${name} limit 10")`
      );
    case 'Spark':
      return `import hubernate\n\n${name} = hubernate.table(${table}).to_spark()\n${name}.show(10)`;
    case 'SQL': {
      const query = text(`select * from ${identifier(place.path, place.source.kind)} limit 100`);
      return `import hubernate\n\nhubernate.sql(${query}, source=${text(place.source.name)}).to_pandas()`;
    }
    case 'Python':
      return `import hubernate\n\nwith hubernate.open(${text(uriOf(place))}) as file:\n    content = file.read()`;
  }
}

function isTable(place: IPlace): boolean {
  return PANDAS.some(([ending]) => ending.test(place.path));
}

function pandas(place: IPlace, table: string, name: string): string {
  const found = place.type === 'file' && PANDAS.find(([ending]) => ending.test(place.path));
  if (found) {
    const [, reader, options] = found;
    return `import pandas as pd\n\n${name} = pd.${reader}(${text(uriOf(place))}${options})\n${name}.head()`;
  }
  const limit = `limit=${ROWS.toLocaleString('en').replace(',', '_')}`;
  return (
    `import hubernate\n\n${name} = hubernate.table(${table}).to_pandas(${limit})  # without limit: all rows\n` +
    `${name}.head()`
  );
}

/** A string of Python's: JSON's is one, but for what is outside the basic plane, which Python takes as it stands. */
const text = (value: string): string => JSON.stringify(value);

function identifier(path: string, kind: string): string {
  const mark = kind === 'mariadb' ? '`' : '"';
  const quoted = (part: string): string => mark + part.split(mark).join(mark + mark) + mark;
  return path
    .split('.')
    .map(part => (/^[a-z_][a-z0-9_]*$/.test(part) && !RESERVED.has(part) ? part : quoted(part)))
    .join('.');
}

/** A name of Python's, after what it holds. */
function variable(place: IPlace): string {
  const stem = nameOf(place).split('.');
  const word = (place.type === 'table' ? stem[stem.length - 1] : stem[0]).toLowerCase().replace(/[^a-z0-9]+/g, '_');
  const name = word.replace(/^_+|_+$/g, '');
  return /^[a-z]/.test(name) && !RESERVED.has(name) ? name : `data_${name}`.replace(/_$/, '');
}

const RESERVED = new Set(
  ('and as assert async await break class continue def del elif else except finally for from global if import in is' +
    ' lambda nonlocal not or pass raise return try while with pd hubernate select table order group by limit user').split(' ')
);
