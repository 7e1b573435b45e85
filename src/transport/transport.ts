/**
 * How a replay stream gets to a guest and is played there. The agent is the same everywhere
 * (native-shim/agent); what it says comes back as lines, whose meaning is the applier's business.
 */
export interface Transport {
  /**
   * Brings the agent and the stream within the guest's reach. Disposing of the delivery takes all of it
   * away again, unless the agent may still run; the guest's changed files stay.
   *
   * @param stream path of the replay stream on the host
   */
  deliver(stream: string, signal?: AbortSignal): Promise<Delivery>;
}

/** `recover` brings what an interrupted `apply` left to its end. */
export type AgentCommand = 'apply' | 'recover';

export interface Delivery extends AsyncDisposable {
  /** Whether the agent was ever started: before that the guest is untouched. */
  readonly started: boolean;
  /**
   * Runs the agent and yields what it reports, line by line, as it comes. Ends with the agent, however
   * that ends: a report without its last line is one of an agent that was killed.
   *
   * @param signal asks the agent to stop, upon which it rolls back and reports so
   * @throws OuaError when the agent can't be started or reached.
   */
  run(command: AgentCommand, signal?: AbortSignal): AsyncIterable<string>;
}
