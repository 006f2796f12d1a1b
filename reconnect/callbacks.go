package reconnect

import (
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
)

// Callbacks are what a [Client] calls as things happen: one at a time, in the
// order of events, on one goroutine. So the fields of the user's struct, which
// take the place of a state that is passed around, need no lock as long as only
// callbacks use them. Embed [NopCallbacks] for those that are not needed.
//
// The order for one connection is OnConnect, any number of OnMessage, one of
// OnClose and OnError, OnDisconnect. Between connections each failed attempt is
// an OnConnectError. After the OnDisconnect or OnConnectError with which the
// client ends, nothing more is called.
//
// A callback may call any method of the Client. While it runs nothing is read,
// so that a slow one slows the server down; pings are not answered meanwhile,
// and no keepalive is judged. A callback that panics ends the client: the
// connection is closed with 1011, and [Client.Err] is a [*PanicError].
type Callbacks interface {
	// OnConnect is called at the first and every later connect, with the header
	// of the server's answer, before anything that was queued is sent and before
	// the first message is read. It is the place for a login: what the callback
	// writes goes out at once, what others write is treated as if there were no
	// connection yet. It may also read the server's answer, from [Client.Conn].
	OnConnect(c *Client, header http.Header)

	// OnMessage is called with each message. m.Data is valid until it returns.
	// It is not called any more once [Client.Close] was.
	OnMessage(c *Client, m websocket.Message)

	// OnClose is called when the connection was ended by a close frame, with the
	// code and reason of the side that closed first; 1005 stands for no code.
	OnClose(c *Client, code websocket.StatusCode, reason string) Next

	// OnError is called when the connection was lost without the peer's close
	// frame, or failed because of what the peer sent. err is a
	// [*websocket.CloseError].
	OnError(c *Client, err error) Next

	// OnDisconnect follows OnClose or OnError. wait is the time until the next
	// attempt, negative when there is none.
	OnDisconnect(c *Client, err error, wait time.Duration)

	// OnConnectError is called when an attempt failed. attempt counts from 1,
	// anew after each connection that was healthy. err tells why: a
	// [*websocket.DialError], a [*websocket.HandshakeError], or what Prepare
	// returned.
	OnConnectError(c *Client, err error, attempt int) Next
}

// NopCallbacks are callbacks that do nothing, and leave what comes next to the
// options. Embed it.
type NopCallbacks struct{}

var _ Callbacks = NopCallbacks{}

// OnConnect does nothing.
func (NopCallbacks) OnConnect(*Client, http.Header) {}

// OnMessage does nothing.
func (NopCallbacks) OnMessage(*Client, websocket.Message) {}

// OnClose leaves what comes next to the options.
func (NopCallbacks) OnClose(*Client, websocket.StatusCode, string) Next { return Next{} }

// OnError leaves what comes next to the options.
func (NopCallbacks) OnError(*Client, error) Next { return Next{} }

// OnDisconnect does nothing.
func (NopCallbacks) OnDisconnect(*Client, error, time.Duration) {}

// OnConnectError leaves what comes next to the options.
func (NopCallbacks) OnConnectError(*Client, error, int) Next { return Next{} }
