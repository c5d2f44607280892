// What only a reviewer sees: asks for a token first, and offers to leave.

import { useEffect, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Trouble } from "../ui";
import { ask, keepToken, type Me, SignedOut, token } from "./client";
import { SignIn } from "./sign-in";

export function SignedIn(props: { children: (me: Me, leave: () => void) => ComponentChildren }) {
  const [me, setMe] = useState<Me | null>(null);
  const [error, setError] = useState("");
  const [known, setKnown] = useState(token() !== "");
  const enter = () => {
    ask<Me>("me").then(
      (found) => {
        setMe(found);
        setError("");
        setKnown(true);
      },
      (failed: Error) => {
        if (failed instanceof SignedOut) keepToken("");
        setKnown(!(failed instanceof SignedOut));
        setError(failed.message);
      },
    );
  };
  useEffect(() => {
    if (known) enter();
  }, []);
  const leave = () => {
    keepToken("");
    setMe(null);
    setKnown(false);
    setError("");
  };
  if (!known) return <SignIn error={error} onToken={(text) => { keepToken(text); enter(); }} />;
  if (!me) return <div class="page">{error ? <Trouble text={error} /> : <p class="loading">Loading …</p>}</div>;
  return <>{props.children(me, leave)}</>;
}
