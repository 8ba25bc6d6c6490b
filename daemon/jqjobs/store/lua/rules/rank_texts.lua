-- Ranks that follow each other, as text, counted here: to have Redis write each takes half as long as to read a
-- job.
-- Gives: rank_texts

local EXACT = 2 ^ 53     -- beyond it two numbers that follow each other are one
local DIGITS = { [0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' }

-- Returns n texts, of first and what follows it; nil where these are no whole numbers, or of both signs.
local function rank_texts(first, n)
  local last = first + n - 1
  if first % 1 ~= 0 or first < -EXACT or last > EXACT or (first <= 0 and last >= 0) then return end
  local ranks, sign, step = {}, first < 0 and '-' or '', first < 0 and -1 or 1
  local digit = first * step % 10
  local tens = (first * step - digit) / 10
  local begin = sign .. string.format('%.0f', tens)
  for i = 1, n do
    ranks[i] = begin .. DIGITS[digit]
    digit = digit + step
    if not DIGITS[digit] then
      digit, tens = digit - 10 * step, tens + step
      begin = sign .. string.format('%.0f', tens)
    end
  end
  return ranks
end
