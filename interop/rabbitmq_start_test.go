package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rabbit is a RabbitMQ of a test's own, whose plugin web_stomp has STOMP over
// WebSockets by Cowboy.
type rabbit struct {
	t    *testing.T
	addr string // of web_stomp
	node []string
	*process
}

// rabbitConfig leaves nothing to listen but web_stomp.
const rabbitConfig = `
listeners.tcp = none
stomp.listeners.tcp = none
web_stomp.tcp.ip = 127.0.0.1
web_stomp.tcp.port = %d
web_stomp.ws_opts.compress = true
log.file = false
log.console = true
log.console.level = warning
`

// newRabbit starts a node with ports and folders of its own, and the port mapper
// that Erlang needs for it. That takes some seconds.
func newRabbit(t *testing.T) *rabbit {
	t.Helper()
	epmd := needProgram(t, "epmd")
	const program = "/usr/lib/rabbitmq/bin/rabbitmq-server" // by which no other user is needed
	if _, err := os.Stat(program); err != nil {
		absent(t, "rabbitmq-server")
	}
	dir := t.TempDir()
	port, mapper := freePort(t), freePort(t)
	for name, text := range map[string]string{
		"rabbitmq.conf": fmt.Sprintf(rabbitConfig, port),
		"plugins":       "[rabbitmq_web_stomp].\n",
		"env":           "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	r := &rabbit{t: t, addr: fmt.Sprintf("127.0.0.1:%d", port)}
	r.node = []string{
		"-i",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"HOME=" + dir,
		fmt.Sprintf("ERL_EPMD_PORT=%d", mapper),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODENAME=lariat%d@localhost", port),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", freePort(t)),
		"RABBITMQ_CONF_ENV_FILE=" + in("env"),
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + in("advanced.config"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + in("plugins"),
		"RABBITMQ_MNESIA_BASE=" + in("mnesia"),
		"RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_LOGS=-",
		"RABBITMQ_ALLOW_INPUT=1", // no shell that stands between, and it ends with its input
		"RABBITMQ_PID_FILE=" + in("pid"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + in("generated"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + in("flags"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
		program,
	}
	m := start(t, epmd, "-port", fmt.Sprint(mapper), "-address", "127.0.0.1")
	m.endBySignal()
	m.awaitListener("tcp", fmt.Sprintf("127.0.0.1:%d", mapper))
	r.boot()
	return r
}

// boot starts the node, with what it had stored. Its plugin listens before it can
// be used.
func (r *rabbit) boot() {
	r.t.Helper()
	r.process = start(r.t, needProgram(r.t, "env"), r.node...)
	r.endBySignal()
	for deadline := time.After(3 * patience); ; {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("RabbitMQ ended: %.2000s", r.log.String())
			}
			if strings.Contains(line, "completed with") {
				return
			}
		case <-deadline:
			r.t.Fatal("RabbitMQ does not come up")
		}
	}
}
