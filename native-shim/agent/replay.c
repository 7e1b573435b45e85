#include "replay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "files.h"
#include "paths.h"
#include "printed.h"
#include "process.h"
#include "report.h"
#include "restore.h"
#include "volume.h"

static void report_end_of_run(const char *status, const struct path_list *left, unsigned scripts) {
  report_begin("end");
  report_text("status", status, strlen(status));
  if (failure.set) {
    report_text("code", failure.code, strlen(failure.code));
    report_text("path", failure.path, strlen(failure.path));
    report_text("message", failure.message, strlen(failure.message));
  }
  if (left) report_list("left", left->paths, left->count);
  report_integer("scripts", scripts);
  report_end();
}

static void report_phase(const char *name, double started) {
  report_begin("phase");
  report_text("phase", name, strlen(name));
  report_number("seconds", clock_seconds() - started);
  report_end();
}

/* ---- steps ---- */

/* What a step that is no file set is called in reports, and how it fails. */
static const struct {
  const char *name, *failure;
} programs[] = {
    [STEP_SCRIPT] = {"script", "SCRIPT_FAILED"},
    [STEP_TRIGGERS] = {"triggers", "SCRIPT_FAILED"},
    [STEP_ACTION] = {"action", "ACTION_FAILED"},
};

static int judge(enum step_kind kind, const char *path, const struct outcome *outcome) {
  if (outcome->stopped) return fail("INTERRUPTED", "", "stopped");
  if (outcome->timed_out) return fail(programs[kind].failure, path, "did not end in time");
  if (outcome->exit_status != 0) return fail(programs[kind].failure, path, "exit status %d", outcome->exit_status);
  return 0;
}

static int run_triggers(unsigned timeout, struct outcome *outcome) {
  static char *argv[] = {"dpkg", "--triggers-only", "--pending", NULL};
  static char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                "DPKG_FRONTEND_LOCKED=true", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", NULL};
  database_lock_release();
  struct program dpkg = {"/usr/bin/dpkg", argv, environment, "/", -1, 0};
  int result = process_run(&dpkg, timeout, outcome);
  return database_lock_take() < 0 ? -1 : result;
}

static int run_program(const struct step *step, unsigned timeout, unsigned *scripts) {
  bool triggers = step->kind == STEP_TRIGGERS;
  struct outcome outcome = {0};
  double started = clock_seconds();
  bool needed = !triggers || triggers_pending();
  int result = 0;
  if (needed) {
    (*scripts)++;
    result = journal_write("script %u", step->number);
    if (result == 0)
      result = triggers ? run_triggers(timeout, &outcome) : script_run(&step->script, timeout, &outcome);
    printed_keep(step->number, outcome.printed, outcome.printed_size);
    if (result == 0) result = judge(step->kind, triggers ? "/usr/bin/dpkg" : step->script.path, &outcome);
  }
  report_begin("step");
  report_integer("step", step->number);
  report_text("kind", programs[step->kind].name, strlen(programs[step->kind].name));
  report_number("seconds", clock_seconds() - started);
  report_text("status", result == 0 ? needed ? "ok" : "skipped" : "failed", result == 0 ? needed ? 2 : 7 : 6);
  report_integer("exit", outcome.exit_status);
  report_text("output", outcome.output ? outcome.output : "", outcome.output_size);
  report_end();
  free(outcome.output);
  return result;
}

static int run_files(const struct stream *stream, uint32_t number) {
  struct path_lists told = {0};
  double started = clock_seconds();
  int result = files_apply(stream, number, &told) < 0 ? -1 : locks_renew();
  report_begin("step");
  report_integer("step", stream->steps[number].number);
  report_text("kind", "files", 5);
  report_number("seconds", clock_seconds() - started);
  report_text("status", result == 0 ? "ok" : "failed", result == 0 ? 2 : 6);
  report_integer("changes", stream->steps[number].change_count);
  report_list("kept", told.kept.paths, told.kept.count);
  report_list("overwrote", told.overwrote.paths, told.overwrote.count);
  report_list("merged", told.merged.paths, told.merged.count);
  report_end();
  path_lists_free(&told);
  return result;
}

/* ---- the course ---- */

static int check(const struct stream *stream, const struct replay_options *options) {
  double started = clock_seconds();
  if (check_identity(stream, options->live) < 0 || check_preconditions(stream) < 0 || check_space(stream) < 0) return -1;
  report_phase("check", started);
  return 0;
}

static int lay_ready(const struct stream *stream) {
  double started = clock_seconds();
  if (volumes_create(stream->plan) < 0 || state_write("records", stream->raw, stream->raw_size) < 0 ||
      files_stage(stream) < 0 || volumes_sync() < 0 || journal_write("staged") < 0)
    return -1;
  report_phase("stage", started);
  return 0;
}

enum course { ALL_DONE, BREAKS_OFF, STOPS };

/* A replay may stop at a program of the guest's that fails. When it is asked to end, or at files, it has no choice. */
static enum course after_failure(const struct stream *stream, const struct step *step) {
  bool program = step->kind != STEP_FILES && strcmp(failure.code, programs[step->kind].failure) == 0;
  return program && stream->on_failure == ON_FAILURE_STOP ? STOPS : BREAKS_OFF;
}

static enum course run_steps(const struct stream *stream, unsigned timeout, unsigned *scripts) {
  for (uint32_t s = 0; s < stream->step_count; s++) {
    if (stop_requested()) {
      fail("INTERRUPTED", "", "stopped");
      return BREAKS_OFF;
    }
    const struct step *step = &stream->steps[s];
    int result = step->kind == STEP_FILES ? run_files(stream, s) : run_program(step, timeout, scripts);
    if (result < 0) return after_failure(stream, step);
  }
  return ALL_DONE;
}

/* What is done counts from here on: it is not taken back any more. */
static int settle(const char *phase, const char *word) {
  double started = clock_seconds();
  if (volumes_sync() < 0 || journal_write("%s", word) < 0) return -1;
  report_phase(phase, started);
  return 0;
}

/* Back to the old files. The failure that led here stays the one that is reported, or is added to the one on the way. */
static int roll_back(const struct stream *stream, struct path_list *left) {
  struct failure cause = failure;
  failure.set = false;
  int result = 0;
  if (volume_count > 0 && volumes[0].state >= 0) {
    struct journal journal;
    result = journal_read(&journal);
    if (result == 0 && journal.staged) result = files_restore(stream, left);
    if (result == 0) result = volumes_sync() < 0 || journal_write("restored") < 0 ? -1 : volumes_remove();
  }
  if (result == 0) failure = cause;
  else if (cause.set) {
    size_t length = strlen(failure.message);
    snprintf(failure.message + length, sizeof failure.message - length, "; this was after %.128s: %.256s", cause.path, cause.message);
  }
  return result;
}

enum agent_exit replay(const struct stream *stream, const struct replay_options *options) {
  struct path_list left = {0};
  unsigned scripts = 0;
  if (locks_take() < 0 || recover_all() < 0 || check(stream, options) < 0) {
    report_end_of_run("refused", NULL, 0);
    return EXIT_REFUSED;
  }
  enum course course = lay_ready(stream) == 0 ? run_steps(stream, options->script_timeout, &scripts) : BREAKS_OFF;
  /* What can't be tidied up after it is settled is, at the next recovery. */
  if (course == ALL_DONE && settle("commit", "committed") == 0) {
    volumes_remove();
    report_end_of_run("applied", NULL, scripts);
    return EXIT_DONE;
  }
  if (course == STOPS && settle("stop", "stopped") == 0) {
    volumes_remove();
    report_end_of_run("stopped", NULL, scripts);
    return EXIT_STOPPED;
  }
  int restored = roll_back(stream, &left);
  report_end_of_run(restored == 0 ? "rolled-back" : "stuck", &left, scripts);
  path_list_free(&left);
  return restored == 0 ? EXIT_ROLLED_BACK : EXIT_STUCK;
}

/* ---- recovery ---- */

static int recover(const char *name) {
  struct path_list left = {0};
  struct stream stream;
  struct journal journal;
  if (volumes_open(name, &journal) < 0) return -1;
  const char *outcome = journal.committed ? "committed" : journal.stopped ? "stopped" : "restored";
  int result = 0;
  if (journal_is_final(&journal) || !journal.staged) {
    result = volumes_remove();
  } else {
    int records = state_open("records", O_RDONLY);
    result = records < 0 ? fail_errno("AGENT_FAILED", STATE_ROOT, "the records of an earlier run are gone")
                         : stream_load(&stream, records, false);
    if (records >= 0) close(records);
    if (result == 0) result = roll_back(&stream, &left);
  }
  report_begin("recovered");
  report_text("plan", name, strlen(name));
  report_text("status", result < 0 ? "stuck" : outcome, strlen(result < 0 ? "stuck" : outcome));
  report_list("left", left.paths, left.count);
  report_end();
  path_list_free(&left);
  return result;
}

int recover_all(void) {
  int fd = open(STATE_ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : fail_errno("AGENT_FAILED", STATE_ROOT, "can't be read");
  DIR *directory = fdopendir(fd);
  if (!directory) abort();
  int result = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(directory));)
    if (entry->d_name[0] != '.') result = recover(entry->d_name);
  closedir(directory);
  volume_count = 0;
  /* A run that was killed before its first directory, or after its last, leaves only the root of them all. */
  return result == 0 ? state_root_remove() : result;
}
