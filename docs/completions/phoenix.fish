# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_phoenix_global_optspecs
    string join \n C/config= var= host= world= pace= format= command-log= jobs-gates= v/verbose color= h/help V/version
end

function __fish_phoenix_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_phoenix_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_phoenix_using_subcommand
    set -l cmd (__fish_phoenix_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c phoenix -n "__fish_phoenix_needs_command" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_needs_command" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_needs_command" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_needs_command" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_needs_command" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_needs_command" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_needs_command" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_needs_command" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_needs_command" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_needs_command" -s V -l version -d 'Print version'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "init" -d 'Write a first configuration: one container with one script and one gate'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "validate" -d 'Check the configuration; touches no node'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "config" -d 'Print the resolved configuration as one JSON document, which is a valid configuration'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "schema" -d 'Print a JSON Schema'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "plan" -d 'Show what `up` would do, and why'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "up" -d 'Bring guests to the state that the configuration describes'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "LetsGo" -d 'Bring guests to the state that the configuration describes'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "create" -d 'As `up` for these guests, but existing dependencies are not changed'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "converge" -d 'As `up` for these guests and their dependencies, and run all their scripts again'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "status" -d 'Show the configured guests and their state'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "health" -d 'Run the gates once, now'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "health-check" -d 'Run the gates once, now'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "wait" -d 'Wait until guests are healthy, running or off; for scripts and service units'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "start" -d 'Start guests, after their dependencies are healthy'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "stop" -d 'Shut guests down, after their dependants are off'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "restart" -d 'Stop and start guests and their dependants'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "doctor" -d 'Check that the node has what the configuration needs; changes nothing'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "graph" -d 'Draw the dependencies and gates of the guests; touches no node'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "inventory" -d 'Print the guests as an Ansible inventory; touches no node'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "output" -d 'Print addresses and names for other programs; touches no node'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "adopt" -d 'Adopt guests that exist and are configured, but are not managed by Phoenix'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "delete" -d 'Destroy guests; refused while they have dependants'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "down" -d 'Destroy all guests of the configuration'
complete -c phoenix -n "__fish_phoenix_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l deny-warnings -d 'Treat warnings as errors'
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -l show-defaults -d 'Print every setting of every guest, including defaults, and its origin'
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -l origins -d 'Print the place of each value instead'
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l out -d 'Also write the plan as JSON to this file' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l skip-check -d 'Continue when this check of `phoenix doctor` finds an error; may be repeated' -r -f -a "programs\t''
version\t''
user\t''
quorum\t''
node-name\t''
clock\t''
lock\t''
memory\t''
kvm\t''
storage\t''
storage-content\t''
storage-feature\t''
storage-space\t''
template\t''
image\t''
snippets\t''
ownership\t''
bridge\t''
firewall\t''
address\t''
mount-point\t''
id-map\t''
gpu\t''
nfs-server\t''
nfs-export\t''"
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l exit-code -d 'Exit with status 3 when there are changes to make'
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l commands -d 'Also show the commands and files of every step (JSON always has them)'
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -l force-provision -d 'Run all scripts again, changed or not'
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l replace -d 'Destroy this guest and create it again; the guests that need it stay, wait until it is healthy, and are asked again' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l plan -d 'Run only this plan of `plan --out FILE`; refused when the node has drifted since' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l skip-check -d 'Continue when this check of `phoenix doctor` finds an error; may be repeated' -r -f -a "programs\t''
version\t''
user\t''
quorum\t''
node-name\t''
clock\t''
lock\t''
memory\t''
kvm\t''
storage\t''
storage-content\t''
storage-feature\t''
storage-space\t''
template\t''
image\t''
snippets\t''
ownership\t''
bridge\t''
firewall\t''
address\t''
mount-point\t''
id-map\t''
gpu\t''
nfs-server\t''
nfs-export\t''"
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l prune -d 'Destroy the guests of this fleet that are removed from the configuration'
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -l force-provision -d 'Run all scripts again, changed or not'
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand up" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l replace -d 'Destroy this guest and create it again; the guests that need it stay, wait until it is healthy, and are asked again' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l plan -d 'Run only this plan of `plan --out FILE`; refused when the node has drifted since' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l skip-check -d 'Continue when this check of `phoenix doctor` finds an error; may be repeated' -r -f -a "programs\t''
version\t''
user\t''
quorum\t''
node-name\t''
clock\t''
lock\t''
memory\t''
kvm\t''
storage\t''
storage-content\t''
storage-feature\t''
storage-space\t''
template\t''
image\t''
snippets\t''
ownership\t''
bridge\t''
firewall\t''
address\t''
mount-point\t''
id-map\t''
gpu\t''
nfs-server\t''
nfs-export\t''"
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l prune -d 'Destroy the guests of this fleet that are removed from the configuration'
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -l force-provision -d 'Run all scripts again, changed or not'
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand LetsGo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l skip-check -d 'Continue when this check of `phoenix doctor` finds an error; may be repeated' -r -f -a "programs\t''
version\t''
user\t''
quorum\t''
node-name\t''
clock\t''
lock\t''
memory\t''
kvm\t''
storage\t''
storage-content\t''
storage-feature\t''
storage-space\t''
template\t''
image\t''
snippets\t''
ownership\t''
bridge\t''
firewall\t''
address\t''
mount-point\t''
id-map\t''
gpu\t''
nfs-server\t''
nfs-export\t''"
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l skip-check -d 'Continue when this check of `phoenix doctor` finds an error; may be repeated' -r -f -a "programs\t''
version\t''
user\t''
quorum\t''
node-name\t''
clock\t''
lock\t''
memory\t''
kvm\t''
storage\t''
storage-content\t''
storage-feature\t''
storage-space\t''
template\t''
image\t''
snippets\t''
ownership\t''
bridge\t''
firewall\t''
address\t''
mount-point\t''
id-map\t''
gpu\t''
nfs-server\t''
nfs-export\t''"
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand converge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l watch -d 'Repeat every SECONDS, until interrupted' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand health" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l watch -d 'Repeat every SECONDS, until interrupted' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand health-check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l for -d 'The state to wait for' -r -f -a "healthy\t'They run, and all their gates pass'
running\t'They run'
stopped\t'They are off'"
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l timeout -d 'The limit of the wait, as `90` or `1m30s`' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l to -d 'The format of the drawing' -r -f -a "mermaid\t'Mermaid, for Markdown'
dot\t'DOT, for Graphviz'
svg\t'A picture'"
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -l list -d 'Print the whole inventory; Ansible passes this option, and it is the default'
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand inventory" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l to -d 'The form of the output' -r -f -a "hosts\t'Lines of `/etc/hosts`'
ssh-config\t'Hosts of `~/.ssh/config`'
env\t'Variables for a shell: `NAME_ID` and `NAME_ADDRESS`'"
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand output" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l write -d 'Do not adopt guests; write configuration files for them into this folder; without GUEST for all guests of the node' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l provisioned -d 'Count their scripts as run and their NFS volumes as mounted; otherwise the next `up` runs and mounts them'
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -s y -l yes -d 'Do not ask before writing on the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -l dry-run -d 'Only show the guests that would be adopted'
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand adopt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l report -d 'Also write a report of the run to this file, as one HTML page' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -s j -l jobs -d 'How many commands may change the node at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l jobs-scripts -d 'How many scripts may run at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l jobs-per-storage -d 'How many guests may be created on one storage at the same time' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -s C -l config -d 'The configuration: a folder, a file with the whole configuration, or `-` for standard input [default: `.`, `./etc` or `/usr/local/phoenix_hypervisor/etc`, the first one with a configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l var -d 'Set a variable of the configuration; may be repeated' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l host -d 'The node: `local`, `ssh://USER@NODE`, `sim:` (a temporary simulated node) or `sim:DIR` (a simulated node in a folder) [default: `local` if `pct` and `qm` exist]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l world -d 'The behaviour of the simulated node [default: `world.json` in the folder of `sim:DIR`, else next to the configuration]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l pace -d 'Run the simulated node at N times real time [default: as fast as possible]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l format -d 'The format of results on standard output' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'JSON, one object a line'"
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l command-log -d 'Write one line of JSON for every command that reaches the host' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l jobs-gates -d 'How many gates run at the same time [default: 4 for each core of this machine, at least 16; 32 over ssh and simulated]' -r
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -s y -l yes -d 'Do not ask before changing the node'
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -l dry-run -d 'Only show the plan'
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -s v -l verbose -d 'Show the output of scripts and every attempt of a gate; twice: also the debug log'
complete -c phoenix -n "__fish_phoenix_using_subcommand down" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "init" -d 'Write a first configuration: one container with one script and one gate'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "validate" -d 'Check the configuration; touches no node'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "config" -d 'Print the resolved configuration as one JSON document, which is a valid configuration'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "schema" -d 'Print a JSON Schema'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "plan" -d 'Show what `up` would do, and why'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "up" -d 'Bring guests to the state that the configuration describes'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "create" -d 'As `up` for these guests, but existing dependencies are not changed'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "converge" -d 'As `up` for these guests and their dependencies, and run all their scripts again'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "status" -d 'Show the configured guests and their state'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "health" -d 'Run the gates once, now'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "wait" -d 'Wait until guests are healthy, running or off; for scripts and service units'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "start" -d 'Start guests, after their dependencies are healthy'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "stop" -d 'Shut guests down, after their dependants are off'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "restart" -d 'Stop and start guests and their dependants'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "doctor" -d 'Check that the node has what the configuration needs; changes nothing'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "graph" -d 'Draw the dependencies and gates of the guests; touches no node'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "inventory" -d 'Print the guests as an Ansible inventory; touches no node'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "output" -d 'Print addresses and names for other programs; touches no node'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "adopt" -d 'Adopt guests that exist and are configured, but are not managed by Phoenix'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "delete" -d 'Destroy guests; refused while they have dependants'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "down" -d 'Destroy all guests of the configuration'
complete -c phoenix -n "__fish_phoenix_using_subcommand help; and not __fish_seen_subcommand_from init validate config schema plan up create converge status health wait start stop restart doctor graph inventory output adopt delete down help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
