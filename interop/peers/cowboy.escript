#!/usr/bin/env escript
%% An echo server of Cowboy, as Debian's rabbitmq-server carries it, over HTTP/1.1
%% and HTTP/2.
%%
%% usage: escript cowboy.escript OPTIONS   JSON with
%%   "libs": the folder of Cowboy and what it needs
%%   "cert", "key": files, to serve over TLS
%%   "compress": whether permessage-deflate is accepted, and "deflate": with what
%%   "origin": the one Origin that pages may have
%%   "port": where to listen; by default the kernel chooses
%%
%% It prints, answers and ends as server.mjs does. Requests that are no WebSockets
%% are answered with their method and path, or with their body.
-module(cowboy_echo).
-mode(compile).
-export([init/2, websocket_init/1, websocket_handle/2, websocket_info/2, terminate/3]).

main([Arg]) ->
    {match, [Libs]} = re:run(Arg, "\"libs\":\"([^\"]+)\"", [{capture, all_but_first, list}]),
    code:add_pathsa(filelib:wildcard(Libs ++ "/{cowboy,cowlib,ranch,jsx}-*/ebin")),
    logger:set_primary_config(level, none),
    {ok, _} = application:ensure_all_started(cowboy),
    Options = jsx:decode(list_to_binary(Arg), [return_maps]),
    Dispatch = cowboy_router:compile([{'_', [{'_', ?MODULE, {Options, self()}}]}]),
    Protocol = #{env => #{dispatch => Dispatch}, enable_connect_protocol => true, idle_timeout => infinity},
    Socket = [{ip, {127, 0, 0, 1}}, {port, maps:get(<<"port">>, Options, 0)}],
    {ok, _} = case Options of
        #{<<"cert">> := Cert, <<"key">> := Key} ->
            {ok, _} = application:ensure_all_started(ssl),
            cowboy:start_tls(echo, [{certfile, Cert}, {keyfile, Key} | Socket], Protocol);
        _ ->
            cowboy:start_clear(echo, Socket, Protocol)
    end,
    Printer = self(),
    ok = io:setopts([{encoding, unicode}]),
    print(Printer, #{port => ranch:get_port(echo)}),
    spawn(fun() -> until_eof(), Printer ! eof end),
    printing().

until_eof() ->
    case io:get_line("") of
        eof -> ok;
        {error, _} -> ok;
        _ -> until_eof()
    end.

%% The lines come from one process, so that each is whole.
print(Printer, Event) -> Printer ! {print, jsx:encode(Event)}.

printing() ->
    receive
        {print, Line} -> io:put_chars([Line, "\n"]), printing();
        eof -> halt(0)
    end.

init(Req, {Options, Printer}) ->
    Origin = cowboy_req:header(<<"origin">>, Req, <<>>),
    Allowed = maps:get(<<"origin">>, Options, Origin),
    case wants_websocket(Req) of
        false -> {ok, answer(Req), none};
        true when Origin =/= <<>>, Origin =/= Allowed -> {ok, cowboy_req:reply(403, Req), none};
        true -> upgrade(Req, Options, Printer, Origin)
    end.

wants_websocket(#{protocol := <<"websocket">>}) -> true;
wants_websocket(Req) -> cowboy_req:header(<<"upgrade">>, Req, <<>>) =/= <<>>.

answer(Req0) ->
    Text = #{<<"content-type">> => <<"text/plain">>},
    case cowboy_req:has_body(Req0) of
        true ->
            Req = cowboy_req:stream_reply(200, Text, Req0),
            pass_body(Req);
        false ->
            cowboy_req:reply(200, Text, [cowboy_req:method(Req0), " ", cowboy_req:path(Req0), "\n"], Req0)
    end.

pass_body(Req0) ->
    case cowboy_req:read_body(Req0, #{length => 65536, period => 100}) of
        {more, Data, Req} -> cowboy_req:stream_body(Data, nofin, Req), pass_body(Req);
        {ok, Data, Req} -> cowboy_req:stream_body(Data, fin, Req), Req
    end.

upgrade(Req0, Options, Printer, Origin) ->
    Offered = case cowboy_req:parse_header(<<"sec-websocket-protocol">>, Req0) of
        undefined -> [];
        List -> List
    end,
    {Chosen, Req} = case lists:member(<<"echo">>, Offered) of
        true -> {<<"echo">>, cowboy_req:set_resp_header(<<"sec-websocket-protocol">>, <<"echo">>, Req0)};
        false -> {<<>>, Req0}
    end,
    Path = cowboy_req:path(Req),
    State = #{
        printer => Printer,
        path => Path,
        connection => maps:get(pid, Req),
        open => #{path => Path, origin => Origin, protocol => Chosen, extensions => <<>>}
    },
    {cowboy_websocket, Req, State, #{
        compress => maps:get(<<"compress">>, Options, false),
        deflate_opts => deflate(maps:get(<<"deflate">>, Options, #{})),
        max_frame_size => 16#1000000,
        idle_timeout => 60000
    }}.

deflate(Map) ->
    maps:fold(fun
        (K, V, M) when is_binary(V) -> M#{binary_to_atom(K) => binary_to_atom(V)};
        (K, V, M) -> M#{binary_to_atom(K) => V}
    end, #{}, Map).

websocket_init(State = #{printer := Printer, open := Open}) ->
    print(Printer, #{open => Open}),
    {[], State}.

websocket_handle({text, Text}, State = #{printer := Printer, path := Path, connection := Connection}) ->
    case binary:split(Text, <<" ">>) of
        [<<"close">>, Rest] ->
            [Code | Words] = binary:split(Rest, <<" ">>),
            %% Cowboy does not wait for the answer, so nobody learns its reason.
            {[{close, binary_to_integer(Code), iolist_to_binary(Words)}], State#{closed => binary_to_integer(Code)}};
        [<<"fragments">>] ->
            %% Cowboy has no frames for parts of a message.
            {[{text, <<"fragmented">>}], State};
        [<<"bad-utf8">>] ->
            {[{text, <<"a", 255, "b">>}], State};
        [<<"ping">>, Payload] ->
            {[{ping, Payload}], State};
        [<<"terminate">>] ->
            print(Printer, #{close => #{path => Path, code => 1006, reason => <<>>}}),
            %% The process of a stream of HTTP/2 could be killed and the stream would
            %% stay open, so the one of the connection is.
            exit(Connection, kill),
            {[], State};
        _ ->
            {[{text, Text}], State}
    end;
websocket_handle({pong, Payload}, State) when Payload =/= <<>> ->
    {[{text, <<"pong ", Payload/binary>>}], State};
websocket_handle({binary, Data}, State) ->
    {[{binary, Data}], State};
websocket_handle(_, State) ->
    {[], State}.

websocket_info(_, State) ->
    {[], State}.

terminate(_, _, none) ->
    ok;
terminate(Why, _, State = #{printer := Printer, path := Path}) ->
    {Code, Reason} = case {Why, State} of
        {_, #{closed := C}} -> {C, <<>>};
        {{remote, C, R}, _} -> {C, R};
        {remote, _} -> {1005, <<>>};
        _ -> {1006, <<>>}
    end,
    print(Printer, #{close => #{path => Path, code => Code, reason => Reason}}).
