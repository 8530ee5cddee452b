// Reminders: after a delay, at a date, by a cron expression, at an interval. They ring with nobody connected and after a restart.
import { Agent, callable, routeAgentRequest, type Schedule } from "agents";

interface Env {
  Reminders: DurableObjectNamespace<Reminders>;
}

interface Rung {
  rung: string[];
}

export class Reminders extends Agent<Env, Rung> {
  initialState: Rung = { rung: [] };

  @callable()
  async remindIn(seconds: number, text: string) {
    return described(await this.schedule(seconds, "ring", text));
  }

  @callable()
  async remindAt(when: string, text: string) {
    return described(await this.schedule(new Date(when), "ring", text));
  }

  @callable()
  async remindByCron(cron: string, text: string) {
    return described(await this.schedule(cron, "ring", text));
  }

  @callable()
  async remindEvery(seconds: number, text: string) {
    return described(await this.scheduleEvery(seconds, "ring", text));
  }

  @callable()
  async upcoming() {
    return (await this.listSchedules()).map(described);
  }

  @callable()
  forget(id: string): Promise<boolean> {
    return this.cancelSchedule(id);
  }

  /** What every schedule calls, by name: it is found again after a restart. */
  ring(text: string) {
    // The state goes to every connected client and stays for the others.
    this.setState({ rung: [...this.state.rung, text] });
  }

  async onRequest() {
    return Response.json({ upcoming: await this.upcoming(), rung: this.state.rung });
  }
}

function described(schedule: Schedule<unknown>) {
  return {
    id: schedule.id,
    type: schedule.type,
    text: schedule.payload,
    next: new Date(schedule.time * 1000).toISOString(),
    cron: schedule.type === "cron" ? schedule.cron : null,
    every: schedule.type === "interval" ? schedule.intervalSeconds : null,
  };
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
