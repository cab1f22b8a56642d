/** The first rows as a grid, in the main area: a column's type and what its rows say stand above it. */

import { ReactWidget, refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { seen, typeOf } from './details';
import { dataIcon } from './icons';
import { useLook } from './looking';
import { Picture } from './picture';
import { Problem } from '../problem';
import { Cell, ILook, IPlace, nameOf, pictureType, uriOf } from './sources';
import { isNumeric } from './statistics';

/** One tab for one place at a time: opening another place shows that one. */
export class Preview extends ReactWidget {
  private _place: IPlace | null = null;

  constructor() {
    super();
    this.id = 'hubernate-data-preview';
    this.addClass('hbn-Preview');
    this.title.icon = dataIcon;
    this.title.closable = true;
  }

  open(place: IPlace): void {
    this._place = place;
    this.title.label = nameOf(place);
    this.title.caption = uriOf(place);
    this.update();
  }

  render(): React.JSX.Element {
    const place = this._place;
    if (!place) {
      return <></>;
    }
    return pictureType(place) ? (
      <div className="hbn-Preview-picture">
        <Picture key={uriOf(place)} place={place} />
      </div>
    ) : (
      <Rows place={place} />
    );
  }
}

function Rows({ place }: { place: IPlace }): React.JSX.Element {
  const looking = useLook(place);
  const { found, problem, loading, refresh } = looking;
  return (
    <>
      <header>
        <strong>{uriOf(place)}</strong>
        <span className="hbn-quiet">{found && about(found)}</span>
        <button className="hbn-button" title="Ask the source anew" disabled={loading} onClick={refresh}>
          <refreshIcon.react tag="span" /> Refresh
        </button>
      </header>
      {found?.sample.stale && (
        <p className="hbn-Preview-note">
          Older rows: {found.sample.why_stale}. Refresh asks again.
        </p>
      )}
      {found && found.schema.drift.length > 0 && (
        <p className="hbn-Preview-note">Its columns changed: {found.schema.drift.join('; ')}.</p>
      )}
      {loading && (
        <p className="hbn-Preview-empty" role="status">
          Loading the first rows…
        </p>
      )}
      {!loading && !found && <Problem error={problem} onAgain={refresh} />}
      {found && found.sample.found.rows.length === 0 && <p className="hbn-Preview-empty">There is no row in it.</p>}
      {found && <Grid look={found} />}
    </>
  );
}

function Grid({ look }: { look: ILook }): React.JSX.Element {
  const { columns, rows } = look.sample.found;
  const known = new Map(look.schema.found.columns.map(column => [column.name, column]));
  const described = columns.map(name => known.get(name) ?? { name, type: '', nullable: null, partition: false });
  const numeric = described.map(({ type }) => isNumeric(type));
  return (
    <div className="hbn-Preview-grid" tabIndex={0} role="region" aria-label="The first rows">
      <table>
        <thead>
          <tr>
            <th />
            {described.map(column => (
              <th key={column.name} scope="col">
                {column.name}
                <code>{typeOf(column)}</code>
                <small>{seen(look, column)}</small>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              <th scope="row">{at + 1}</th>
              {row.map((cell, column) => (
                <td key={column} className={numeric[column] ? 'hbn-mod-number' : ''} title={String(cell)}>
                  {shown(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function shown(cell: Cell): React.ReactNode {
  return cell === null || cell === '' ? <span className="hbn-quiet">empty</span> : String(cell);
}

function about({ sample, schema }: ILook): string {
  const all = schema.found.rows === null ? '' : ` of ${schema.found.rows.toLocaleString('en')}`;
  const { format, note, rows } = sample.found;
  const words = [`first ${rows.length}${all} rows`, format, note, `seen ${new Date(sample.taken_at).toLocaleString()}`];
  return words.filter(Boolean).join(' · ');
}
