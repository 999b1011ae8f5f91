"""The start request: what the engine says when it wants a container. One JSON document, no code.

    id            64 hex digits
    run_dir       <exec-root>/<id>, 0700, made by the supervisor: shim.sock, init.pid, config.json
    spec          OCI runtime spec; `process.user` gives way to `user` below. The supervisor writes it to config.json,
                  where init reads it, makes the cgroup, and passes on to the shim cgroup_path, namespaces and args
    rootfs        {"lower": [directories, top first], "upper": dir, "work": dir}
    user          "name|uid[:group|gid]", resolved in the container's own passwd and group; "" is root
    group_add     ["audio", "44"]: additional groups, resolved the same way
    log           {"driver": "json-file", "path", "max_size", "max_file", "attrs", "compress"} or null
    exit_path     where the exit status is recorded: {"boot_id", "code", "oom_killed", "finished_at_ns", "error"}
    open_stdin    keep a pipe (or terminal) as standard input; else /dev/null
    stdin_once    close it when the first attached client has closed its side
    tty           give the program a terminal of its own (spec process.terminal)
    console_size  [rows, columns] or null
    seccomp_path  file with the compiled filter, or null for none
    connect       true: hand the new network namespace out before the program starts
    create_sources  host directories to make if missing (-v of a path that is not there)
    copy_up       [{"source": volume directory, "destination": path in the image}]: fill an empty volume first
    stop_signal   number and
    stop_timeout  seconds, for a shim that is told to terminate with the host; negative: no end is forced
    stall_s       seconds after which one of several clients that takes nothing is disconnected (10)

An exec request has exec_id, process (OCI process with "terminal"), user, group_add, open_stdin, console_size and
seccomp_path.
"""
