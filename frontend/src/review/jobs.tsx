// Studies that a reviewer may start: one at a time, on the server, with what it says meanwhile.

import { useEffect, useState } from "preact/hooks";
import { duration } from "../format";
import { Select } from "../ui";
import { ask, type JobState } from "./client";

export const LOOK_MS = 2000;
const INTERRUPTED = 130;

export function Jobs(props: { onEnded: () => void }) {
  const [job, setJob] = useState<JobState | null>(null);
  const [kind, setKind] = useState("refine");
  const [error, setError] = useState("");
  const running = job?.kind != null && job.exit_code === null;
  const take = (found: JobState) => {
    setJob(found);
    setError("");
  };
  const failed = (e: Error) => setError(e.message);
  useEffect(() => void ask<JobState>("job").then(take, failed), []);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => {
      ask<JobState>("job").then((found) => {
        take(found);
        if (found.exit_code === 0) props.onEnded();
      }, failed);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, [running]);
  if (!job) return null;
  const options = Object.entries(job.jobs).map(([value, text]) => ({ value, text }));
  return (
    <section class="card" aria-label="Studies">
      <h2>Studies</h2>
      <p class="note">They read the tables of the last run, and fill the queues.</p>
      <div class="actions">
        <Select label="Study" value={kind} options={options} onChange={setKind} />
        <button disabled={running} onClick={() => ask<JobState>("job", { kind }).then(take, failed)}>
          Start
        </button>
        {running && <button onClick={() => ask<JobState>("job/stop", {}).then(take, failed)}>Stop</button>}
      </div>
      {error && (
        <p class="state bad" role="alert">
          {error}
        </p>
      )}
      {job.kind != null && (
        <p role="status">
          {job.title} (started by {job.by}): <Ended job={job} />
        </p>
      )}
      {!!job.lines?.length && <pre class="job-lines" tabIndex={0} aria-label="What it says">{job.lines.join("\n")}</pre>}
    </section>
  );
}

export function Ended({ job }: { job: JobState }) {
  const time = duration(job.for_s ?? 0);
  if (job.exit_code === null) return <>running for {time}</>;
  if (job.exit_code === 0) return <strong class="state good">done in {time}</strong>;
  if (job.exit_code === INTERRUPTED) return <strong class="state warn">stopped after {time}</strong>;
  return <strong class="state bad">failed after {time}</strong>;
}
