// The kaon command.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "apps/kaon/commands.h"
#include "apps/kaon/version.h"

int main(int argc, char** argv) {
  CLI::App app("Kaon: WebRTC media server and tools.", "kaon");
  app.set_version_flag("--version", cat_version());
  app.require_subcommand(1);
  app.footer("`kaon COMMAND --help` explains each command.");
  int status = 0;
  kaon::apps::add_serve(app, status);
  kaon::apps::add_turn(app, status);
  kaon::apps::add_stun(app, status);
  kaon::apps::add_doctor(app, status);
  kaon::apps::add_whip(app, status);
  kaon::apps::add_record(app, status);
  kaon::apps::add_send(app, status);
  kaon::apps::add_receive(app, status);
  kaon::apps::add_pipe(app, status);
  kaon::apps::add_inspect(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kaon: %s\n", error.what());
    return 1;
  }
  return status;
}
