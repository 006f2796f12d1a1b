package wstest_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/wstest"
)

func TestServer(t *testing.T) {
	url := wstest.Server(t, wstest.Echo, nil)
	ctx := t.Context()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			c, err := websocket.Dial(ctx, url+"/any/path", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.Write(ctx, websocket.MessageText, []byte("Hello")); err != nil {
				t.Error(err)
			}
			if _, got, err := c.Read(ctx); err != nil || string(got) != "Hello" {
				t.Errorf("came %q, %v", got, err)
			}
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A handler that returns has its connection closed in order.
func TestServerClosesAfterTheHandler(t *testing.T) {
	url := wstest.Server(t, func(c *websocket.Conn) {
		c.Write(t.Context(), websocket.MessageText, []byte("that is all"))
	}, nil)
	c, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != "that is all" {
		t.Fatalf("came %q, %v", got, err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Fatalf("ended with %v", err)
	}
}

// Connections still open at the end of the test are dropped, and their
// handlers waited for.
func TestServerEnds(t *testing.T) {
	var ended bool
	t.Run("test", func(t *testing.T) {
		url := wstest.Server(t, func(c *websocket.Conn) {
			wstest.Echo(c)
			ended = true
		}, nil)
		c, err := websocket.Dial(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		// Before the answer the handler may not have begun, and then never does.
		if err := c.Write(t.Context(), websocket.MessageText, []byte("there?")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if !ended {
		t.Error("the handler was not waited for")
	}
}

func TestServerHandlerPanics(t *testing.T) {
	r := &recorder{}
	t.Run("test", func(t *testing.T) {
		url := wstest.Server(&failer{recorder: r, T: t}, func(*websocket.Conn) { panic("oh no") }, nil)
		c, err := websocket.Dial(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if _, _, err := c.Read(t.Context()); err == nil {
			t.Error("a message came")
		}
	})
	if !strings.HasPrefix(r.failure, "wstest: the handler panicked: oh no\n") {
		t.Errorf("failed with %q", r.failure)
	}
}

// failer records failures and leaves the rest to a test.
type failer struct {
	*recorder
	T *testing.T
}

func (f *failer) Cleanup(fn func()) { f.T.Cleanup(fn) }
