/** Below the tree: what is selected, its columns at a glance, and what can be done with it. */

import React from 'react';

import { code, ways } from './code';
import { useLook } from './looking';
import { Picture } from './picture';
import { Problem } from '../problem';
import { IColumn, ILook, IPlace, isDatabase, nameOf, pictureType, takesFiles, uriOf } from './sources';
import { bytes, inWords, statistics } from './statistics';
import { Upload } from './upload';

interface IProps {
  place: IPlace;
  onOpen: (place: IPlace) => void;
  onInsert: (code: string) => void;
  onCopy: (text: string) => void;
  onUploaded: () => void;
}

export function Details({ place, onOpen, onInsert, onCopy, onUploaded }: IProps): React.JSX.Element {
  const isSource = place.type === 'source';
  const canLook = place.type === 'table' || (place.type === 'file' && !pictureType(place));
  return (
    <section className="hbn-Data-details" aria-label="Selected">
      <h3 title={uriOf(place)}>{isSource ? place.source.title || place.source.name : nameOf(place)}</h3>
      <p className="hbn-quiet">{facts(place)}</p>
      {isSource && place.source.description && <p>{place.source.description}</p>}
      {isSource && place.source.kind === 'http' && (
        <p className="hbn-quiet">A web server does not list its files: read one by its path below this one.</p>
      )}
      {isSource && place.source.state !== 'closed' && <Problem error={NO_ANSWER} />}
      <div className="hbn-actions">
        {!isSource && (
          <button className="hbn-button hbn-mod-first" onClick={() => onOpen(place)}>
            {place.type === 'folder' ? 'Preview as a table' : 'Preview'}
          </button>
        )}
        <button className="hbn-button" onClick={() => onCopy(uriOf(place))}>
          Copy path
        </button>
        {takesFiles(place) && <Upload key={uriOf(place)} folder={place} onUploaded={onUploaded} />}
      </div>
      {ways(place).length > 0 && (
        <div className="hbn-actions" role="group" aria-label="Insert code">
          <span className="hbn-label">Insert code</span>
          {ways(place).map(way => (
            <button key={way} className="hbn-button" onClick={() => onInsert(code(place, way))}>
              {way}
            </button>
          ))}
        </div>
      )}
      {pictureType(place) && <Picture key={uriOf(place)} place={place} />}
      {canLook && <Columns place={place} />}
    </section>
  );
}

const NO_ANSWER =
  'It did not answer lately and is left alone for a moment, then asked again. What was seen of it before is still' +
  ' shown. If it stays so, tell an admin of your team.';

function Columns({ place }: { place: IPlace }): React.JSX.Element {
  const { found, problem, loading, refresh } = useLook(place);
  if (loading) {
    return (
      <p className="hbn-quiet" role="status">
        Looking at it…
      </p>
    );
  }
  if (!found) {
    return <Problem error={problem} onAgain={refresh} />;
  }
  const { columns, rows } = found.schema.found;
  return (
    <>
      <p className="hbn-quiet">
        {columns.length} {columns.length === 1 ? 'column' : 'columns'}
        {rows !== null && `, ${rows.toLocaleString('en')} rows`}
        {found.sample.stale && ', as last seen'}
      </p>
      <ul className="hbn-Data-columns">
        {columns.map(column => (
          <li key={column.name} title={`${column.name}: ${column.type}`}>
            <span className="hbn-name">{column.name}</span> <code>{typeOf(column)}</code>
            <span className="hbn-quiet">{seen(found, column)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** `double`, and that it may be empty or comes from the folder's name. */
export function typeOf({ type, nullable, partition }: IColumn): string {
  return `${type}${nullable === false ? ', never empty' : ''}${partition ? ', partition' : ''}`;
}

/** What the sample's rows say of a column. */
export function seen({ sample }: ILook, { name, type }: IColumn): string {
  const at = sample.found.columns.indexOf(name);
  return at < 0 || !sample.found.rows.length ? '' : inWords(statistics(sample.found.rows.map(row => row[at]), type));
}

function facts({ source, type, size, modified }: IPlace): string {
  if (type === 'source') {
    const may = source.level === 'write' ? 'you may read and write' : 'you may read';
    return `${source.kind}${isDatabase(source) ? ' database' : ''}, ${may}`;
  }
  const when = modified ? `changed ${new Date(modified).toLocaleString()}` : '';
  return [type, size === null ? '' : bytes(size), when].filter(Boolean).join(' · ');
}
