package howto_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// tokens are what an authorization server gives.
type tokens struct {
	mu    sync.Mutex
	n     int
	token string
}

// fresh returns a token that is valid.
func (t *tokens) fresh(context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == "" {
		t.n++
		t.token = fmt.Sprint("token ", t.n)
	}
	return t.token, nil
}

// forget has fresh get another one.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = ""
}

// follower is a client with a token.
type follower struct {
	reconnect.NopCallbacks
	tokens *tokens
	up     chan struct{}
}

// OnConnectError has another go with a new token when the old one was refused.
func (f *follower) OnConnectError(c *reconnect.Client, err error, attempt int) reconnect.Next {
	refused, ok := errors.AsType[*websocket.HandshakeError](err)
	if ok && refused.Status == http.StatusUnauthorized && attempt == 1 {
		f.tokens.forget()
		return reconnect.Retry(0)
	}
	return reconnect.Next{} // what the options say
}

// OnClose comes back with a new token when the server says that ours has run out.
func (f *follower) OnClose(c *reconnect.Client, code websocket.StatusCode, reason string) reconnect.Next {
	if code == 4401 {
		f.tokens.forget()
		return reconnect.Retry(0)
	}
	return reconnect.Next{}
}

func (f *follower) OnMessage(_ *reconnect.Client, m websocket.Message) {
	fmt.Printf("%s\n", m.Data)
	close(f.up)
}

// The server refuses the first token, closes when the second one has run out,
// and is content with the third one.
func Example_token() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Authorization")
		if token == "Bearer token 1" {
			http.Error(w, "an old token", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		if token == "Bearer token 2" {
			c.Close(4401, "token expired")
			return
		}
		c.Write(context.Background(), websocket.MessageText, []byte("welcome, "+token))
		<-c.CloseRead(context.Background()).Done()
	}))
	defer srv.Close()

	tokens := &tokens{}
	o := &reconnect.Options{
		Prepare: func(ctx context.Context, attempt int) (string, http.Header, error) {
			token, err := tokens.fresh(ctx)
			if err != nil {
				return "", nil, err // counts as a failed attempt
			}
			return "", http.Header{"Authorization": {"Bearer " + token}}, nil
		},
	}
	f := &follower{tokens: tokens, up: make(chan struct{})}
	c, err := reconnect.Start(context.Background(), srv.URL, f, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	select {
	case <-f.up:
	case <-c.Done():
		fmt.Println(c.Err())
	case <-time.After(30 * time.Second):
		fmt.Println("nothing came")
	}
	// Output: welcome, Bearer token 3
}
