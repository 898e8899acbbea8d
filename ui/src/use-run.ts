import { useCallback, useEffect, useRef, useState } from "react";
import type { TryItOutConfig } from "./config";
import { send } from "./run";
import type { Answer, Trial } from "./run";

/** One run at a time, that can be cancelled. */
export function useRun(config: TryItOutConfig) {
  const [answer, setAnswer] = useState<{ answer: Answer; sent: string }>();
  const [isRunning, setIsRunning] = useState(false);
  const running = useRef<AbortController>(undefined);
  const cancel = useCallback(() => running.current?.abort(), []);
  useEffect(() => cancel, [cancel]);
  const run = async (trial: Trial) => {
    if (running.current) return;
    const controller = new AbortController();
    running.current = controller;
    setAnswer(undefined);
    setIsRunning(true);
    const next = await send(trial, config, controller.signal);
    running.current = undefined;
    setIsRunning(false);
    setAnswer({ answer: next, sent: JSON.stringify(trial) });
  };
  return { ...answer, isRunning, run, cancel, clear: () => setAnswer(undefined) };
}
