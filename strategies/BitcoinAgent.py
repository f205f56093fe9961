"""Bitcoin held as an agent says: PPO or A2C, its own position and its own stop. Research only.

freqtrade backtesting -c user_data/config_agent.json --freqaimodel PPOForecaster
"""

from strategies.bot.agent import AgentStrategy


class BitcoinAgent(AgentStrategy):
    timeframe = "1h"
