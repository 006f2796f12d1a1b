package reconnect

import (
	"errors"
	"maps"
	"net"
	"net/http"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
)

// Policy says after which endings a [Client] connects again (ruling C1). Both
// tables lie over those of [DefaultPolicy]: an entry replaces the default one,
// and what is in neither is described with each field.
type Policy struct {
	// Close is by the code with which the peer closed. 1006 stands for a
	// connection that was lost without a close frame, 1005 for a close frame
	// without a code. When this side failed the connection because of what the
	// peer sent, it is the code that this side sent, as 1002 or 1009. Codes that
	// are in no table, as those of applications from 3000 on, end the client.
	Close map[websocket.StatusCode]bool

	// Status is by the status of a refused opening handshake. What is in no
	// table is tried again. The answers of proxies are not judged by it.
	Status map[int]bool
}

// DefaultPolicy returns the tables that hold by default, to be looked at or
// changed; they are the caller's.
//
// A close with 1001, 1011, 1012, 1013 or 1014, and a lost connection (1006),
// are followed by another one. 1000, 1005 (a close frame without a code), 1002,
// 1003, 1007 to 1010, 3000 to 4999 and codes unknown to it are not: the peer is
// done, or would say the same again. An opening handshake that is refused with
// 400, 401, 403, 404 or 426 is not tried again.
func DefaultPolicy() Policy {
	p := Policy{Close: make(map[websocket.StatusCode]bool), Status: make(map[int]bool)}
	for _, row := range closeTable {
		p.Close[row.code] = row.again
	}
	for _, row := range statusTable {
		p.Status[row.status] = row.again
	}
	return p
}

var closeTable = [...]struct {
	code  websocket.StatusCode
	again bool
}{
	{websocket.StatusNormalClosure, false},
	{websocket.StatusGoingAway, true},
	{websocket.StatusProtocolError, false},
	{websocket.StatusUnsupportedData, false},
	{websocket.StatusNoStatusRcvd, false},
	{websocket.StatusAbnormalClosure, true},
	{websocket.StatusInvalidPayloadData, false},
	{websocket.StatusPolicyViolation, false},
	{websocket.StatusMessageTooBig, false},
	{websocket.StatusMandatoryExtension, false},
	{websocket.StatusInternalError, true},
	{websocket.StatusServiceRestart, true},
	{websocket.StatusTryAgainLater, true},
	{websocket.StatusBadGateway, true},
}

var statusTable = [...]struct {
	status int
	again  bool
}{
	{http.StatusBadRequest, false},
	{http.StatusUnauthorized, false},
	{http.StatusForbidden, false},
	{http.StatusNotFound, false},
	{http.StatusUpgradeRequired, false},
}

func (p Policy) clone() Policy {
	return Policy{Close: maps.Clone(p.Close), Status: maps.Clone(p.Status)}
}

// afterClose reports whether to connect again after an ending with this code.
func (p *Policy) afterClose(code websocket.StatusCode) bool {
	if again, ok := p.Close[code]; ok {
		return again
	}
	for _, row := range closeTable {
		if row.code == code {
			return row.again
		}
	}
	return false
}

// afterFailure reports whether to try again after an attempt that failed.
func (p *Policy) afterFailure(err error) bool {
	if errors.Is(err, ErrPermanent) || hopeless(err) {
		return false
	}
	e, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok {
		return true
	}
	if again, ok := p.Status[e.Status]; ok {
		return again
	}
	for _, row := range statusTable {
		if row.status == e.Status {
			return row.again
		}
	}
	return true
}

// hopeless reports whether an attempt failed for what stays as it is: the
// server's certificate, which protocols it speaks, what a proxy thinks of the
// password, or the options.
func hopeless(err error) bool {
	_, option := errors.AsType[*websocket.OptionError](err)
	return option || dial.Hopeless(err) ||
		errors.Is(err, websocket.ErrNoHTTP2) || errors.Is(err, handshake.ErrExtendedConnectDisabled)
}

// ending is how a connection ended, as the callbacks and the policy see it.
type ending struct {
	framed bool                 // by a close frame: OnClose, else OnError
	local  bool                 // this side wanted it
	code   websocket.StatusCode // for the policy, and for OnClose
	reason string
}

// judge says how a connection ended.
func judge(err error) ending {
	e, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		return ending{code: websocket.StatusAbnormalClosure}
	}
	_, violated := errors.AsType[frame.Violation](e.Cause)
	switch {
	case e.Received != nil && (e.RemoteFirst || e.Sent == nil):
		return ending{framed: true, code: e.Received.Code, reason: e.Received.Reason}
	case e.Sent != nil && violated:
		return ending{code: e.Sent.Code, reason: e.Sent.Reason}
	case e.Sent != nil:
		return ending{framed: true, local: true, code: e.Sent.Code, reason: e.Sent.Reason}
	}
	// Only this side's own CloseNow has the transport closed under its reader.
	return ending{local: errors.Is(e.Cause, net.ErrClosed), code: websocket.StatusAbnormalClosure}
}
