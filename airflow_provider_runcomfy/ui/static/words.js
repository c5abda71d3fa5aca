// How states, times, lengths and money are said.

// A state: what it is called, and the name of Airflow's own colour for what is most alike.
const STATES = {
  in_queue: ["In queue", "queued"],
  in_progress: ["Running", "running"],
  submitting: ["Being submitted", "scheduled"],
  submitted: ["Submitted", "scheduled"],
  succeeded: ["Succeeded", "success"],
  completed: ["Ended", "running"],
  failed: ["Failed", "failed"],
  moderated: ["Refused by moderation", "failed"],
  cancelled: ["Cancelled", "removed"],
  gone: ["Expired", "upstream_failed"],
  unknown: ["Not known", "up_for_retry"],
  unknown_submission: ["Submit not known", "up_for_retry"],
};

export const stateName = (state) => (STATES[state] ?? [state])[0];
export const stateColour = (state) => (STATES[state] ?? [, "none"])[1];

export function money(usd) {
  // Clips cost cents and fractions of them.
  const digits = usd !== 0 && Math.abs(usd) < 1 ? 3 : 2;
  return `$${usd.toFixed(digits)}`;
}

export function length(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (seconds < 10) {
    return `${Math.max(0, seconds).toFixed(1)} s`;
  }
  if (whole < 60) {
    return `${whole} s`;
  }
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}

export function moment(seconds) {
  // As Airflow writes them.
  const at = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day} ${[two(at.getHours()), two(at.getMinutes()), two(at.getSeconds())].join(":")}`;
}

export function bytes(size) {
  return size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

export function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}
