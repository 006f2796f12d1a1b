package main

import (
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// rootCommand puts the command together.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "lariat",
		Short: "WebSocket on the command line",
		Long: `lariat opens, serves, measures and takes apart WebSocket connections.

Start with "lariat demo". Or run "lariat serve" in one terminal and
"lariat connect ws://localhost:8080/" in another.`,
		Example: `  # what the library does, shown on real sockets
  lariat demo

  # two lines through a server and back
  printf 'one\ntwo\n' | lariat connect ws://localhost:8080/`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return commandError(c, args[0])
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.PersistentFlags().BoolVar(&a.printer.json, "json", false, "print one JSON object per event and line; see lariat help json")
	root.Flags().Bool("version", false, "print the version")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate(helpTemplate)
	root.SetVersionTemplate("lariat {{.Version}}\n")
	root.AddCommand(a.demoCommand(), a.serveCommand(), a.connectCommand(), a.pingCommand(), a.requestCommand(), a.decodeCommand())
	root.AddCommand(topics()...)
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultCompletionCmd("completion")
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			completionExamples(c)
		}
	}
	return root
}

func completionExamples(c *cobra.Command) {
	c.Short = "Print the completion script of a shell"
	c.Example = `  # for this session of bash, zsh or fish
  lariat completion bash > lariat.bash
  lariat completion zsh > _lariat
  lariat completion fish > lariat.fish`
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("lariat completion bash", "lariat completion needs the name of a shell: bash, zsh, fish or powershell")
		}
		return usage("lariat completion bash, zsh, fish or powershell", "%q is not a shell there is a script for", trim(args[0], 64))
	}
}

// helpCommand is "lariat help [COMMAND | TOPIC]".
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND or TOPIC]",
		Short:   "Help about a command or a topic",
		Long:    "Help about a command or a topic.",
		Example: "  lariat help connect\n  lariat help exit-codes",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range root.Commands() {
				names = append(names, c.Name()+"\t"+c.Short)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 || c == root && len(args) > 0 {
				return helpError(root, strings.Join(args, " "))
			}
			return c.Help()
		},
	}
}

func helpError(root *cobra.Command, word string) error {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	if near := nearest(word, names); near != "" {
		return usage("lariat help "+near, "there is no help about %q", trim(word, 64))
	}
	return usage("lariat help", "there is no help about %q", trim(word, 64))
}

// version is the version of the module, or the revision it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "(revision " + s.Value[:min(12, len(s.Value))] + ")"
		}
	}
	return "(development)"
}

const helpTemplate = `{{with or .Long .Short}}{{trimTrailingWhitespaces .}}
{{end}}{{if or .Runnable .HasSubCommands}}
{{.UsageString}}{{end}}`

// usageTemplate shows examples first: most people look for one.
const usageTemplate = `{{if .Runnable}}Usage:
  {{.UseLine}}
{{end}}{{if .HasExample}}
Examples:
{{.Example}}
{{end}}{{if .HasAvailableSubCommands}}
Commands:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Flags of all commands:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasHelpSubCommands}}
Topics:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableSubCommands}}
"{{.CommandPath}} help COMMAND" tells more about a command or a topic.
{{end}}`
