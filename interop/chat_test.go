package interop_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Two people on the pages of examples/chat, whose server is killed and started
// again meanwhile.
func TestChat(t *testing.T) {
	t.Parallel()
	node := needNode(t, "playwright-core")
	needNode(t, "ws")
	browser := needProgram(t, "chromium")
	chat := filepath.Join(t.TempDir(), "chat")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", chat, "../examples/chat")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	runChecks(t, node, "peers/chat.mjs", asJSON(t, map[string]any{
		"browser": browser,
		"profile": t.TempDir(),
		"chat":    chat,
	}))
}
