// What the model may do.
import { tool } from "ai";
import { z } from "zod";
import type { Chat } from ".";

/** The agent's state, in every tab: what was asked to be remembered, and what was sent. */
export interface Desk {
  reminders: { id: string; about: string; at: string; rung: boolean }[];
  postcards: { to: string; text: string }[];
}

const NEW_MOON = Date.UTC(2000, 0, 6, 18, 14);
const LUNATION_MS = 29.530588853 * 86_400_000;
const PHASES = ["new", "waxing crescent", "first quarter", "waxing gibbous", "full", "waning gibbous", "last quarter", "waning crescent"];

/** The phase of the moon, and how much of it is lit, to the nearest percent. */
export function moonAt(time: Date) {
  const age = ((((time.getTime() - NEW_MOON) / LUNATION_MS) % 1) + 1) % 1;
  return { phase: PHASES[Math.round(age * 8) % 8], lit: Math.round(((1 - Math.cos(2 * Math.PI * age)) / 2) * 100) };
}

export function toolsFor(agent: Chat) {
  return {
    moonPhase: tool({
      description: "The phase of the moon on a day, today if none is given.",
      inputSchema: z.object({ day: z.iso.date().optional() }),
      execute: ({ day }) => moonAt(day ? new Date(day) : new Date()),
    }),

    // No `execute`: the page answers, because only the browser knows.
    whereAmI: tool({
      description: "The time zone and the language of the person.",
      inputSchema: z.object({}),
    }),

    // Runs only after the person has agreed: `toolApproval` in index.ts.
    sendPostcard: tool({
      description: "Sends a postcard.",
      inputSchema: z.object({ to: z.string(), text: z.string() }),
      execute: (postcard) => {
        agent.setState({ ...agent.state, postcards: [...agent.state.postcards, postcard] });
        return { sent: true };
      },
    }),

    remindMe: tool({
      description: "Reminds the person of something after some seconds.",
      inputSchema: z.object({ inSeconds: z.number().positive(), about: z.string() }),
      execute: async ({ inSeconds, about }) => {
        const { id, time } = await agent.schedule(inSeconds, "remind", about);
        const reminder = { id, about, at: new Date(time * 1000).toISOString(), rung: false };
        agent.setState({ ...agent.state, reminders: [...agent.state.reminders, reminder] });
        return reminder;
      },
    }),

    forgetReminder: tool({
      description: "Cancels the reminders of something.",
      inputSchema: z.object({ about: z.string() }),
      execute: async ({ about }) => {
        const forgotten = agent.state.reminders.filter((reminder) => reminder.about === about);
        for (const { id } of forgotten) await agent.cancelSchedule(id);
        agent.setState({ ...agent.state, reminders: agent.state.reminders.filter((reminder) => !forgotten.includes(reminder)) });
        return { forgotten: forgotten.length };
      },
    }),
  };
}
