package poll_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/internal/poll"
)

// childEnv makes this process the child of a test, which needs one to itself.
const childEnv = "POLL_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	leakcheck.Main(m)
}

func TestErrAgainIsTemporary(t *testing.T) {
	var temporary interface{ Temporary() bool }
	var ne net.Error
	if !errors.As(poll.ErrAgain, &temporary) || !temporary.Temporary() || !errors.As(poll.ErrAgain, &ne) || !ne.Timeout() {
		t.Errorf("%v is no temporary net.Error: crypto/tls would not go on after it", poll.ErrAgain)
	}
}

// HB10: other systems build, and say that there is no poller.
func TestHB10Unsupported(t *testing.T) {
	p, err := poll.New(nil)
	if runtime.GOOS != "linux" {
		if !errors.Is(err, poll.ErrUnsupported) {
			t.Errorf("%v, want ErrUnsupported", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
}
