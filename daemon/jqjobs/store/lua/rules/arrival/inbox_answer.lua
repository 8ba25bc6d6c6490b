--: include name arrival/envelope arrival/json_bytes waiting/answer
-- An answer for a job that came through the inbox: {"resolve": id, "token": …, "result": … or "error": …}.
-- Gives: take_answer

local MOST_ERROR = 1000
local ANSWER = { resolve = 'string', token = 'string', error = 'string' }
local REFUSALS = {
  unknown = 'no_such_job: there is no such job', token = 'bad_token: it is not the one that the job has recorded',
  late = 'too_late: the job does not wait any more', answered = 'bad_token: it was used already',
  bytes = 'bad_field: result is not written plainly',
}

-- Returns id, token, kind and bytes as `resolve` takes them, or nil and the reason for refusing it.
local function read_answer(raw, envelope)
  for key, value in pairs(envelope) do
    local wrong = key ~= 'result' and field_complaint(key, value, nil, ANSWER[key])
    if wrong then return nil, 'bad_field: ' .. wrong end
  end
  if not is_name(envelope.resolve) then return nil, 'bad_name: "resolve" is not a valid id' end
  local id, token = envelope.resolve, envelope.token or ''
  local result = envelope.result
  if envelope.error and result ~= nil then return nil, 'bad_field: result and error exclude each other' end
  if envelope.error then return id, token, 'failed', string.sub(envelope.error, 1, MOST_ERROR) end
  -- Only who has the token may have so much work done.
  return id, token, 'result', function()
    local fine, bytes = pcall(bytes_of, raw, 'result')
    return fine and (bytes or result == nil and 'null')
  end
end

-- Returns nil, or the reason for refusing it.
local function take_answer(q, now, raw, envelope)
  local id, token, kind, bytes = read_answer(raw, envelope)
  if not id then return token end
  local fine, done = pcall(resolve, q, now, id, token, kind, bytes, false)
  if not fine then return 'not_waiting: the record of the job is damaged' end
  if done == 'resolved' or done == 'early' then return nil end
  return REFUSALS[done] or 'not_waiting: the job is ' .. done
end
