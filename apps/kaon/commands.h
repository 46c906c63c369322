// The subcommands: each adds itself to the command line and sets the exit status when it has run.
#pragma once

namespace CLI {
class App;
}

namespace kaon::apps {

void add_serve(CLI::App& app, int& status);
void add_turn(CLI::App& app, int& status);
void add_stun(CLI::App& app, int& status);
void add_doctor(CLI::App& app, int& status);
void add_whip(CLI::App& app, int& status);
void add_record(CLI::App& app, int& status);
void add_send(CLI::App& app, int& status);
void add_receive(CLI::App& app, int& status);
void add_pipe(CLI::App& app, int& status);
void add_inspect(CLI::App& app, int& status);

}  // namespace kaon::apps
