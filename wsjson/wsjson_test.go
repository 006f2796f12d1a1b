package wsjson_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wsjson"
	"github.com/lariat-go/websocket/wstest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

type move struct {
	X, Y int
	Name string `json:",omitempty"`
}

func TestRead(t *testing.T) {
	conn, peer := wstest.Scripted(t, protocol.RoleServer, nil)
	ctx := t.Context()

	peer.SendFrames(wstest.Text(`{"X":1,"Y":-2}`))
	if m, err := wsjson.Read[move](ctx, conn); err != nil || m != (move{X: 1, Y: -2}) {
		t.Errorf("came %+v, %v", m, err)
	}
	peer.SendFrames(wstest.Text(`[1,`).NotFinal(), wstest.Continuation([]byte(`2]`)))
	if m, err := wsjson.Read[[]int](ctx, conn); err != nil || !reflect.DeepEqual(m, []int{1, 2}) {
		t.Errorf("came %+v, %v", m, err)
	}
	peer.SendFrames(wstest.Text(`null`))
	if m, err := wsjson.Read[*move](ctx, conn); err != nil || m != nil {
		t.Errorf("came %+v, %v", m, err)
	}
	// What was read stays as it is when the buffer is used again.
	peer.SendFrames(wstest.Text(`{"raw":"first"}`), wstest.Text(`{"RAW":"other"}`))
	first, err := wsjson.Read[json.RawMessage](ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wsjson.Read[json.RawMessage](ctx, conn); err != nil {
		t.Fatal(err)
	}
	if string(first) != `{"raw":"first"}` {
		t.Errorf("the first value became %s", first)
	}
	// A message larger than what is kept.
	big := strings.Repeat("x", 200<<10)
	go peer.SendFrames(wstest.Text(`"` + big + `"`))
	if s, err := wsjson.Read[string](ctx, conn); err != nil || s != big {
		t.Errorf("came %d bytes, %v", len(s), err)
	}
}

// A message that is no T is an error, and the connection goes on.
func TestReadBad(t *testing.T) {
	conn, peer := wstest.Scripted(t, protocol.RoleServer, nil)
	long := `{"X": ` + strings.Repeat("é", 100)
	for _, tc := range []struct {
		name    string
		message wstest.Frame
		want    string
		is      func(error) bool
	}{
		{"syntax", wstest.Text(`{"X":`), `websocket: message that begins with "{\"X\":": unexpected end of JSON input`, isType[*json.SyntaxError]},
		{"shape", wstest.Text(`{"X":7,"Y":"seven"}`), `websocket: message that begins with "{\"X\":7,\"Y\":\"seven\"}": json: cannot unmarshal string into`, isType[*json.UnmarshalTypeError]},
		{"empty", wstest.Text(""), `websocket: message that begins with "": unexpected end of JSON input`, isType[*json.SyntaxError]},
		{"two values", wstest.Text("1 2"), `websocket: message that begins with "1 2": `, isType[*json.SyntaxError]},
		{"binary", wstest.Binary([]byte(`{"X":1}`)), `websocket: a binary message came where JSON was expected: it begins with "{\"X\":1}"`, func(err error) bool { return errors.Is(err, wsjson.ErrBinary) }},
		{"long", wstest.Text(long), `websocket: message that begins with "{\"X\": ` + strings.Repeat("é", 29) + `": `, isType[*json.SyntaxError]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			peer.SendFrames(tc.message, wstest.Text(`{"X":1}`))
			m, err := wsjson.Read[move](t.Context(), conn)
			if m != (move{}) || !isType[*wsjson.DecodeError](err) || !tc.is(err) || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("came %+v, %v\nwant %s", m, err, tc.want)
			}
			if m, err := wsjson.Read[move](t.Context(), conn); err != nil || m.X != 1 {
				t.Errorf("then came %+v, %v", m, err)
			}
		})
	}
}

func isType[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestReadEnds(t *testing.T) {
	conn, peer := wstest.Scripted(t, protocol.RoleServer, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := wsjson.Read[int](ctx, conn); !errors.Is(err, context.Canceled) || isType[*wsjson.DecodeError](err) {
		t.Errorf("with a context that has ended: %v", err)
	}
	peer.SendFrames(wstest.Close(1001, ""))
	if _, err := wsjson.Read[int](t.Context(), conn); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("after the end: %v", err)
	}
	if err := wsjson.Write(t.Context(), conn, 1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after the end: %v", err)
	}
}

func TestWrite(t *testing.T) {
	conn, peer := wstest.Scripted(t, protocol.RoleServer, nil)
	for _, tc := range []struct {
		v    any
		want string
	}{
		{move{X: 1, Y: 2, Name: "<é>"}, `{"X":1,"Y":2,"Name":"\u003cé\u003e"}`},
		{nil, "null"},
		{[]string{"a\nb"}, `["a\nb"]`},
		{json.RawMessage(`{"raw" : 1}`), `{"raw":1}`},
		{"", `""`},
	} {
		if err := wsjson.Write(t.Context(), conn, tc.v); err != nil {
			t.Errorf("Write(%#v) = %v", tc.v, err)
		}
		if b, _ := json.Marshal(tc.v); string(b) != tc.want {
			t.Errorf("the case is wrong: %#v is %s", tc.v, b)
		}
		peer.Expect(wstest.Text(tc.want))
	}
}

// What cannot be written leaves nothing on the wire.
func TestWriteBad(t *testing.T) {
	conn, peer := wstest.Scripted(t, protocol.RoleServer, nil)
	for v, want := range map[any]string{
		math.NaN():                "websocket: cannot write a float64 as JSON: json: unsupported value: NaN",
		struct{ C chan int }{nil}: "websocket: cannot write a struct { C chan int } as JSON: json: unsupported type: chan int",
	} {
		if err := wsjson.Write(t.Context(), conn, v); err == nil || err.Error() != want {
			t.Errorf("Write(%v) = %v, want %s", v, err, want)
		}
	}
	if err := wsjson.Write(t.Context(), conn, true); err != nil {
		t.Error(err)
	}
	peer.Expect(wstest.Text("true"))
}
