/** Before this environment is put to sleep its person is told in JupyterLab, and may keep it awake. */

import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';

import { ask } from './platform';

/** What the platform says (`hubernate_core.wire.SleepOutlook`); lengths, so that no clock is compared with another. */
interface IOutlook {
  sleeps_in_s: number | null;
  warn_in_s: number | null;
  because: string;
  keep_awake_minutes: number;
}

const COMMAND = 'hubernate:keep-awake';
const HOUR = 60;
const [SOONEST_S, LATEST_S, WARNED_S] = [5, 120, 10];

/** `90` → `90 minutes`, `60` → `1 hour`. */
function words(minutes: number): string {
  const [number, unit] = minutes >= HOUR && minutes % HOUR === 0 ? [minutes / HOUR, 'hour'] : [minutes, 'minute'];
  return `${number} ${unit}${number === 1 ? '' : 's'}`;
}

function sentence({ sleeps_in_s, because }: IOutlook): string {
  const minutes = Math.round((sleeps_in_s ?? 0) / 60);
  const when = minutes < 1 ? 'in less than a minute' : `in ${words(minutes)}`;
  return `This environment goes to sleep ${when}: ${because}. It is saved first, and comes back as it is.`;
}

/** Seconds until it is worth asking again: when the warning is due, and often while it is shown. */
function pause(outlook: IOutlook | null): number {
  if (outlook?.warn_in_s == null) {
    return LATEST_S;
  }
  return outlook.warn_in_s <= 0 ? WARNED_S : Math.min(Math.max(outlook.warn_in_s, SOONEST_S), LATEST_S);
}

/** Asks, shows the warning, and takes it back when it is no longer true. */
class Warning {
  private _outlook: IOutlook | null = null;
  private _shown: string | null = null;
  private _timer = 0;

  constructor() {
    // A tab that nobody sees asks nothing; once it is seen, at once.
    document.addEventListener('visibilitychange', () => void this.look());
  }

  /** Longest time for which it may be kept awake by one click, minutes; 0: it may not. */
  get minutes(): number {
    return Math.min(this._outlook?.keep_awake_minutes ?? 0, HOUR);
  }

  async look(): Promise<void> {
    clearTimeout(this._timer);
    if (document.hidden) {
      return;
    }
    try {
      this._show(await ask<IOutlook>('sleep'));
    } catch (problem) {
      console.warn('Hubernate does not say when this environment sleeps; asked again soon.', problem);
    }
    clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this.look(), pause(this._outlook) * 1000);
  }

  async keepAwake(minutes: number): Promise<void> {
    try {
      this._show(await ask<IOutlook>('keep-awake', { minutes }));
      Notification.success(`This environment is kept awake for ${words(minutes)}.`, { autoClose: 5000 });
    } catch (problem) {
      const why = problem instanceof Error ? problem.message : String(problem);
      Notification.error(`It could not be kept awake: ${why}`, { autoClose: false });
    }
    await this.look();
  }

  private _show(outlook: IOutlook): void {
    this._outlook = outlook;
    if (outlook.sleeps_in_s === null || outlook.warn_in_s === null || outlook.warn_in_s > 0) {
      if (this._shown !== null) {
        Notification.dismiss(this._shown);
      }
      this._shown = null;
    } else if (this._shown === null) {
      this._shown = Notification.warning(sentence(outlook), { autoClose: false, actions: this._actions() });
    } else {
      Notification.update({ id: this._shown, message: sentence(outlook) }); // nothing, where it was closed by hand
    }
  }

  private _actions(): Notification.IAction[] {
    const minutes = this.minutes;
    const callback = (): void => void this.keepAwake(minutes);
    return minutes ? [{ label: `Keep awake for ${words(minutes)}`, displayType: 'accent', callback }] : [];
  }
}

export const sleep: JupyterFrontEndPlugin<void> = {
  id: '@hubernate/lab:sleep',
  description: 'Warns before the environment is put to sleep; a click keeps it awake.',
  autoStart: true,
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, palette: ICommandPalette | null) => {
    const warning = new Warning();
    app.commands.addCommand(COMMAND, {
      label: () => (warning.minutes ? `Keep Awake for ${words(warning.minutes)}` : 'Keep Awake'),
      caption: 'Do not put this environment to sleep for so long, although nobody works in it',
      isEnabled: () => warning.minutes > 0,
      execute: () => warning.keepAwake(warning.minutes)
    });
    palette?.addItem({ command: COMMAND, category: 'Hubernate' });
    void app.restored.then(() => warning.look());
  }
};
