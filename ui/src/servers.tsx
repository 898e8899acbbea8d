import { Server } from "@asyncapi/react-component/lib/esm/containers/Servers/Server";
import { useSpec } from "@asyncapi/react-component/lib/esm/contexts/useSpec";
import { Heading } from "./heading";
import { brokerTitle } from "./outline";
import { ServerBadge } from "./status-badge";

/** The brokers, in place of the component's list: with names that people know and their state. */
export function Servers() {
  const servers = useSpec().servers().all();
  if (!servers.length) return null;
  return (
    <section id="servers">
      <Heading level={2} anchor="servers" name="the servers">
        Servers
      </Heading>
      <ul>
        {servers.map((server) => (
          <li key={server.id()} id={`server-${server.id()}`} className="server">
            <Heading level={3} anchor={`server-${server.id()}`} name={brokerTitle(server)}>
              {brokerTitle(server)}
            </Heading>
            <ServerBadge serverId={server.id()} />
            <Server serverName={server.id()} server={server} />
          </li>
        ))}
      </ul>
    </section>
  );
}
