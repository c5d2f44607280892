// The token of a reviewer.

import { useState } from "preact/hooks";

export function SignIn(props: { error: string; onToken: (text: string) => void }) {
  const [text, setText] = useState("");
  return (
    <div class="page">
      <h1>Review</h1>
      <form
        class="card sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          props.onToken(text.trim());
        }}
      >
        <h2>Sign in to decide about pictures</h2>
        <p class="note">
          Your token comes from <code>naturalist reviewers add NAME</code>. It is kept in this tab only.
        </p>
        <label class="field">
          <span>Your token</span>
          <input type="password" autocomplete="off" required value={text} onInput={(e) => setText(e.currentTarget.value)} />
        </label>
        {props.error && (
          <p class="state bad" role="alert">
            {props.error}
          </p>
        )}
        <button class="primary" type="submit">
          Sign in
        </button>
      </form>
    </div>
  );
}
