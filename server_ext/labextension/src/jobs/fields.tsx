/** A field of a form for each option that the platform's schema names. */

import React from 'react';

import { ISchema } from './jobs';
import { meant, written } from './parameters';
import { duration } from './words';

interface IProps {
  name: string;
  schema: ISchema;
  value: unknown;
  problem: string;
  onChange: (value: unknown) => void;
}

export function Field({ name, schema, value, problem, onChange }: IProps): React.JSX.Element {
  const id = React.useId();
  const told = [hint(schema, value), schema.description].filter(Boolean).join('; ');
  return (
    <div className="hbn-Form-field">
      <label htmlFor={id}>{schema.title ?? name}</label>
      <Input id={id} schema={schema} value={value} onChange={onChange} wrong={problem !== ''} />
      {problem ? (
        <p className="hbn-Form-wrong" role="alert">
          {problem}
        </p>
      ) : (
        told && <p className="hbn-quiet">{sentence(told)}</p>
      )}
    </div>
  );
}

interface IInputProps {
  id: string;
  schema: ISchema;
  value: unknown;
  wrong: boolean;
  onChange: (value: unknown) => void;
}

function Input({ id, schema, value, wrong, onChange }: IInputProps): React.JSX.Element {
  const common = { id, className: 'hbn-input', 'aria-invalid': wrong || undefined };
  const choices = schema.oneOf ?? schema.enum?.map(each => ({ const: each, title: each }));
  if (choices) {
    return (
      <select {...common} value={String(value ?? '')} onChange={event => onChange(event.target.value)}>
        {choices.map(each => (
          <option key={each.const} value={each.const}>
            {each.title}
          </option>
        ))}
      </select>
    );
  }
  if (schema.type === 'boolean') {
    return <input {...common} type="checkbox" checked={value === true} onChange={event => onChange(event.target.checked)} />;
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    return (
      <input
        {...common}
        type="number"
        min={schema.minimum}
        max={schema.maximum}
        value={String(value ?? '')}
        onChange={event => onChange(event.target.value === '' ? null : Number(event.target.value))}
      />
    );
  }
  if (schema.type === 'array' && schema.items?.type === 'string') {
    return <ListInput common={common} value={(value as string[] | undefined) ?? []} onChange={onChange} />;
  }
  if (schema.type === 'object') {
    return <Pairs id={id} value={(value as Record<string, unknown> | undefined) ?? {}} onChange={onChange} />;
  }
  if (schema.type === 'string') {
    return (
      <input
        {...common}
        maxLength={schema.maxLength}
        value={String(value ?? '')}
        onChange={event => onChange(event.target.value)}
      />
    );
  }
  return <JsonInput common={common} value={value} onChange={onChange} />;
}

type Common = { id: string; className: string };

/** One entry a line. */
export function ListInput(props: { common: Common; value: string[]; onChange: (value: string[]) => void }): React.JSX.Element {
  const [text, setText] = React.useState(props.value.join('\n'));
  return (
    <textarea
      {...props.common}
      rows={Math.min(6, Math.max(2, text.split('\n').length))}
      placeholder="one a line"
      spellCheck={false}
      value={text}
      onChange={event => {
        setText(event.target.value);
        props.onChange(event.target.value.split('\n').filter(Boolean));
      }}
    />
  );
}

function JsonInput(props: { common: Common; value: unknown; onChange: (value: unknown) => void }): React.JSX.Element {
  const [text, setText] = React.useState(JSON.stringify(props.value) ?? '');
  return (
    <input
      {...props.common}
      placeholder="JSON"
      spellCheck={false}
      value={text}
      onChange={event => {
        setText(event.target.value);
        props.onChange(event.target.value === '' ? undefined : meant(event.target.value));
      }}
    />
  );
}

interface IPairsProps {
  id: string;
  value: Record<string, unknown>;
  onChange: (value: Record<string, unknown>) => void;
}

/** Names and values, with one empty line more. */
function Pairs({ id, value, onChange }: IPairsProps): React.JSX.Element {
  const [rows, setRows] = React.useState<[string, string][]>(() => Object.entries(value).map(([name, each]) => [name, written(each)]));
  const shown: [string, string][] = [...rows, ['', '']];
  const set = (at: number, name: string, text: string): void => {
    const next = shown.map((row, each): [string, string] => (each === at ? [name, text] : row)).filter(([one, other]) => one || other);
    setRows(next);
    onChange(Object.fromEntries(next.filter(([one]) => one.trim()).map(([one, other]) => [one.trim(), meant(other)])));
  };
  return (
    <div className="hbn-Form-pairs">
      {shown.map(([name, text], at) => (
        <React.Fragment key={at}>
          <input
            id={at === 0 ? id : undefined}
            className="hbn-input"
            placeholder="name"
            aria-label={`Name ${at + 1}`}
            spellCheck={false}
            value={name}
            onChange={event => set(at, event.target.value, text)}
          />
          <input
            className="hbn-input"
            placeholder="value"
            aria-label={name ? `Value of ${name}` : `Value ${at + 1}`}
            spellCheck={false}
            value={text}
            onChange={event => set(at, name, event.target.value)}
          />
        </React.Fragment>
      ))}
    </div>
  );
}

function hint(schema: ISchema, value: unknown): string {
  return schema.unit === 's' && typeof value === 'number' ? duration(value) : '';
}

const sentence = (text: string): string => text[0].toUpperCase() + text.slice(1).replace(/\.$/, '') + '.';
